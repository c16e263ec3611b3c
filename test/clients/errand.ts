/** What each client is sent for, and how whoever uses it goes on with the words of each answer, as an agent does. */
import type { Call, Errand } from './client.ts'

/** More often than any client has to come back while a person decides. */
const TRIES_MAX = 6

/** Also said of a call that was approved in the moment in which its client was told to come back. */
const stillWaits = /NOT EXECUTED\. Waiting for human approval|but not executed so far/
const ticketIn = /\bHP-[0-9A-Z]{10}\b/
/** The client's own words for its own limit. */
const ownLimit = /timed? ?-?out|aborted/i

export interface Findings {
  readonly echoed: string
  readonly refused: string
  /** Every answer to the call that a person approves, oldest first; the last one is what the client went home with. */
  readonly answers: readonly string[]
  readonly waitedMs: number
  readonly denied: string
}

export const isToWait = (answer: string) => stillWaits.test(answer)
export const isCutOff = (answer: string) => !isToWait(answer) && ownLimit.test(answer)

const echo: Call = { tool: 'echo', args: { message: '안녕, hold point' } }
const refund = (marker: string): Call => ({
  tool: 'create_refund',
  args: { paymentId: marker, amountKrw: 15_000 },
})

export function* echoAlone(): Errand<string> {
  return yield* lastOf(echo)
}

/** @param onPursuit is told when the call that waits begins and ends */
export function* wholeErrand(
  markers: { readonly yes: string; readonly no: string },
  onPursuit: (isBeginning: boolean) => void,
): Errand<Findings> {
  const echoed = yield* lastOf(echo)
  const refused = yield* lastOf({ tool: 'delete_repository', args: { owner: 'kim', name: 'shop' } })
  onPursuit(true)
  const startedMs = performance.now()
  const answers = yield* pursue(refund(markers.yes))
  const waitedMs = performance.now() - startedMs
  onPursuit(false)
  const denied = yield* lastOf(refund(markers.no))
  return { echoed, refused, answers, waitedMs, denied }
}

function* lastOf(call: Call): Errand<string> {
  return (yield* pursue(call)).at(-1) ?? ''
}

/** Goes by what it is told: the ticket, the same call again, or that this was it. */
function* pursue(call: Call): Errand<string[]> {
  const answers: string[] = []
  let next = call
  while (answers.length < TRIES_MAX) {
    const answer = yield next
    answers.push(answer)
    const ticket = ticketIn.exec(answer)?.[0]
    if (isToWait(answer)) {
      const isNamed = ticket !== undefined && answer.includes('holdpoint_wait')
      next = isNamed ? { tool: 'holdpoint_wait', args: { ticket } } : call
    } else if (!isCutOff(answer)) break
  }
  return answers
}
