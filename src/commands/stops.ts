/** `stop`, `resume` and `stops list`. */
import type { StopBody, StopPage, StopView } from '../api/stop-schemas.ts'
import { CLI } from '../domain/command-line.ts'
import { ok } from '../domain/result.ts'
import { everything, scopeText } from '../domain/stop.ts'
import { visible } from '../domain/visible.ts'
import type { Answer } from './client.ts'
import type { ExitCode, Io } from './io.ts'
import type { Parts } from './parts.ts'
import { localTime } from './render.ts'
import { done, printJson, withGateway } from './session.ts'
import { createStopClient } from './stop-client.ts'
import { table } from './table.ts'

export interface ChangeOptions {
  readonly yes: boolean
  readonly json: boolean
}

export interface StopWish {
  readonly isEverything: boolean
  readonly server?: string
  readonly tool?: string
  readonly agent?: string
  readonly owner?: string
  readonly reason: string
}

export async function stop(parts: Parts, wish: StopWish, options: ChangeOptions): Promise<ExitCode> {
  const { io } = parts
  const { isEverything, reason, ...scope } = wish
  const problem = problemOf(wish)
  if (problem !== null) {
    io.err(problem)
    return 2
  }
  if (!canAsk(io, options)) return 2
  return withGateway(parts, async (settings) => {
    const what = visible(scopeText({ ...everything, ...scope }))
    if (!(await isWanted(io, options, `Stop ${what}? Calls that wait are cancelled.`))) return ok(1)
    const body: StopBody = isEverything ? { everything: true, reason } : { ...scope, reason }
    const put = await createStopClient(settings).put(body)
    if (!put.ok) return put
    const { stop: stopped, isNew, cancelled, isKnownAgent } = put.value
    if (options.json) printJson(io, put.value)
    else {
      const since = localTime(Date.parse(stopped.at), Date.now())
      io.out(
        isNew
          ? `Stopped: ${what} (stop ${stopped.number}). Every gateway refuses from now on, within a second.`
          : `${what} is stopped already, since ${since} by ${visible(stopped.by)} (stop ${stopped.number}): ${visible(stopped.reason)}`,
      )
      if (isNew)
        io.out(`Waiting calls cancelled so far: ${cancelled}. What is being sent cannot be called back.`)
      io.out(`Back again: ${CLI} resume ${stopped.number}`)
    }
    if (isKnownAgent === false) {
      io.err(
        `No agent of holdpoint.yaml is called ${visible(wish.agent ?? '')}. Agents that sign in by OAuth go by the name in their token: look at ASKED BY in \`${CLI} approvals list\`.`,
      )
    }
    return done
  })
}

/** Said before anything is asked, as precisely as the person typed it. */
function problemOf({ isEverything, server, tool, agent, owner, reason }: StopWish): string | null {
  const isNarrowed = [server, tool, agent, owner].some((part) => part !== undefined)
  if (reason.trim() === '') return '--reason must not be empty: the agents are told why.'
  if (isEverything && isNarrowed)
    return '--all is everything; leave it out to stop only what the others name.'
  if (!isEverything && !isNarrowed)
    return 'Say what to stop: --agent, --server, --server with --tool, or --all.'
  if (tool !== undefined && server === undefined) return '--tool needs its --server.'
  if (owner !== undefined && agent === undefined) return '--owner needs the --agent.'
  return null
}

/** @param number `null`: every one that is in force */
export async function resume(parts: Parts, number: number | null, options: ChangeOptions): Promise<ExitCode> {
  const { io } = parts
  if (!canAsk(io, options)) return 2
  return withGateway(parts, async (settings) => {
    const client = createStopClient(settings)
    const inForce = await client.inForce()
    if (!inForce.ok) return inForce
    const known = inForce.value.stops.filter((one) => number === null || one.number === number)
    if (number === null && known.length === 0) {
      if (options.json) printJson(io, { stops: [] })
      else io.out('Nothing is stopped.')
      return done
    }
    for (const line of rows(known)) io.err(line)
    // Of a number that is not there the gateway knows more: it may have been lifted by somebody else.
    const numbers = number === null ? known.map((one) => one.number) : [number]
    const isOne = numbers.length === 1
    const question = isOne ? `Lift stop ${numbers[0]}?` : `Lift all ${numbers.length} stops?`
    if (known.length > 0 && !(await isWanted(io, options, question))) return ok(1)
    const lifted: StopView[] = []
    for (const one of numbers) {
      const answer = await client.lift(one)
      if (!answer.ok) return answer
      lifted.push(answer.value)
      if (!options.json) io.out(`Lifted: ${wordsOf(answer.value)} (stop ${one}). The policy decides again.`)
    }
    if (options.json) printJson(io, { stops: lifted })
    return done
  })
}

export function listStops(parts: Parts, withLifted: boolean, json: boolean): Promise<ExitCode> {
  const { io } = parts
  return withGateway(parts, async (settings) => {
    const client = createStopClient(settings)
    const stops: StopView[] = []
    let before: number | null = null
    do {
      const page: Awaited<Answer<StopPage>> = await (withLifted ? client.history(before) : client.inForce())
      if (!page.ok) return page
      stops.push(...page.value.stops)
      before = page.value.next
    } while (before !== null)
    if (json) printJson(io, { stops })
    else if (stops.length === 0) io.out(withLifted ? 'Nothing was ever stopped.' : 'Nothing is stopped.')
    else for (const line of rows(stops)) io.out(line)
    return done
  })
}

function canAsk(io: Io, { yes }: ChangeOptions): boolean {
  if (yes || io.isInteractive) return true
  io.err('Nobody can be asked here: there is no terminal. Add --yes.')
  return false
}

async function isWanted(io: Io, { yes }: ChangeOptions, question: string): Promise<boolean> {
  if (yes || /^y(es)?$/i.test((await io.ask(`${question} [y/N] `)).trim())) return true
  io.err('Nothing was changed.')
  return false
}

const wordsOf = ({ covers }: StopView) => visible(scopeText(covers))

function rows(stops: readonly StopView[]): readonly string[] {
  if (stops.length === 0) return []
  const nowMs = Date.now()
  const when = (text: string) => localTime(Date.parse(text), nowMs)
  return table([
    ['STOP', 'WHAT', 'BY', 'SINCE', 'LIFTED', 'REASON'],
    ...stops.map((one) => [
      ...[String(one.number), wordsOf(one), visible(one.by), when(one.at)],
      one.lifted === null ? '' : `${when(one.lifted.at)} by ${visible(one.lifted.by)}`,
      visible(one.reason),
    ]),
  ])
}
