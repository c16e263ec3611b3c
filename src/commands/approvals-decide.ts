/** `approvals approve`, `deny`, `cancel` and `annotate`. A yes is only ever sent for the digest that was on the screen. */
import type { ApprovalView } from '../api/schemas.ts'
import { fromView } from '../api/view.ts'
import { decisionText, outcomeText } from '../domain/present.ts'
import { progressText } from '../domain/quorum-text.ts'
import { err, ok, type Result } from '../domain/result.ts'
import { visible } from '../domain/visible.ts'
import { openStatuses } from './approvals-read.ts'
import type { Client } from './client.ts'
import type { ExitCode, Io } from './io.ts'
import type { Parts } from './parts.ts'
import { localTime, renderApproval } from './render.ts'
import { done, mismatch, presentDetail, printJson, withClient } from './session.ts'
import type { Trouble } from './settings.ts'
import { resolveTicket } from './ticket.ts'

/** Twelve digits are what people compare; fewer could be found by trying. */
const DIGEST_PREFIX_MIN = 12

export interface ApproveOptions {
  readonly yes: boolean
  readonly digest: string | null
  readonly reason: string | null
  readonly json: boolean
}

export async function approve(parts: Parts, typed: string, options: ApproveOptions): Promise<ExitCode> {
  const { io } = parts
  const expected = options.digest?.replaceAll(/\s/g, '').toLowerCase() ?? null
  if (expected !== null && !new RegExp(`^[0-9a-f]{${DIGEST_PREFIX_MIN},64}$`).test(expected)) {
    io.err(
      `--digest takes at least the first ${DIGEST_PREFIX_MIN} hexadecimal digits of the digest that was shown.`,
    )
    return 2
  }
  if (!options.yes && !io.isInteractive) {
    io.err('Nobody can be asked here: there is no terminal. Add --yes, best together with --digest.')
    return 2
  }
  return withClient(parts, async (client) => {
    const id = await resolveTicket(client, typed, ['pending'])
    if (!id.ok) return id
    const answer = await client.show(id.value, false)
    if (!answer.ok) return answer
    const detail = answer.value
    const { digest } = detail.approval
    // With --json, stdout holds the result alone; what is decided on is shown all the same.
    const show = options.json ? io.err : io.out
    show(renderApproval(presentDetail(detail), io.colours))
    show('')
    const wrong = mismatch(detail.approval)
    if (wrong !== null) return err(wrong)
    if (expected !== null && !digest.startsWith(expected)) {
      return err({
        message: 'What would be sent now is not what you looked at: the digest differs. Nothing was decided.',
        remedy: `Look at it as shown above; its digest begins with ${digest.slice(0, DIGEST_PREFIX_MIN)}.`,
      })
    }
    if (detail.yes.kind === 'withheld') {
      return err({ message: `Nothing was decided. ${visible(detail.yes.because)}`, remedy: null })
    }
    const { word } = detail.yes
    if (
      !options.yes &&
      !/^y(es)?$/i.test((await io.ask(`${word} this call, exactly as shown? [y/N] `)).trim())
    ) {
      io.err('Nothing was decided.')
      return ok(1)
    }
    const reason = options.reason ?? (await askedReason(io, detail.approval))
    return report(io, await client.decide(id.value, { decision: 'approve', digest, reason }), options.json)
  })
}

export interface ReasonOptions {
  readonly reason: string | null
  readonly json: boolean
}

export function deny(parts: Parts, typed: string, { reason, json }: ReasonOptions): Promise<ExitCode> {
  return withClient(parts, async (client) => {
    const id = await resolveTicket(client, typed, ['pending'])
    if (!id.ok) return id
    const detail = await client.show(id.value, false)
    if (!detail.ok) return detail
    const { approval } = detail.value
    const { digest } = approval
    const said = reason ?? (await askedReason(parts.io, approval))
    return report(parts.io, await client.decide(id.value, { decision: 'reject', digest, reason: said }), json)
  })
}

/** Where the rule asks for a reason and the command line gave none. `null`: nobody can be asked here; the gateway refuses. */
async function askedReason(io: Io, { reasonRequired }: ApprovalView): Promise<string | null> {
  if (!reasonRequired || !io.isInteractive) return null
  const typed = (await io.ask('The rule asks for a reason: ')).trim()
  return typed === '' ? null : typed
}

/** One's own yes, while others are missing. */
export function takeBack(parts: Parts, typed: string, { reason, json }: ReasonOptions): Promise<ExitCode> {
  return withClient(parts, async (client) => {
    const id = await resolveTicket(client, typed, ['pending'])
    return id.ok ? report(parts.io, await client.takeBack(id.value, reason), json) : id
  })
}

export function cancel(parts: Parts, typed: string, { reason, json }: ReasonOptions): Promise<ExitCode> {
  return withClient(parts, async (client) => {
    const id = await resolveTicket(client, typed, openStatuses)
    return id.ok ? report(parts.io, await client.cancel(id.value, reason), json) : id
  })
}

export interface AnnotateOptions {
  readonly finding: Parameters<Client['annotate']>[1]
  readonly note: string | null
  readonly json: boolean
}

export function annotate(parts: Parts, typed: string, options: AnnotateOptions): Promise<ExitCode> {
  const { finding, note, json } = options
  return withClient(parts, async (client) => {
    const id = await resolveTicket(client, typed, ['settled'])
    return id.ok ? report(parts.io, await client.annotate(id.value, finding, note), json) : id
  })
}

/** About a call whose end nobody knows. Prints the new ticket, which waits for a decision like any other. */
export function askAgain(parts: Parts, typed: string, { reason, json }: ReasonOptions): Promise<ExitCode> {
  return withClient(parts, async (client) => {
    const id = await resolveTicket(client, typed, ['settled'])
    return id.ok ? report(parts.io, await client.askAgain(id.value, reason), json) : id
  })
}

/** What came of an act: the record for programs, a sentence for people. */
export function report(
  io: Io,
  answer: Result<ApprovalView, Trouble>,
  json: boolean,
): Result<ExitCode, Trouble> {
  if (!answer.ok) return answer
  const view = answer.value
  if (json) printJson(io, view)
  else io.out(`${visible(view.id)}  ${after(view)}`)
  return done
}

/** What is true now, right after the act. */
function after(view: ApprovalView): string {
  const approval = fromView(view)
  switch (approval.status) {
    case 'pending':
      return progressText(approval.asking.stages, approval.votes) ?? 'It still waits for a decision.'
    case 'approved': {
      const until = localTime(approval.startByMs, approval.decision.atMs)
      return `${decisionText(approval.decision)}. It runs once the agent is there for the result, until ${until}.`
    }
    case 'executing':
      return `${decisionText(approval.decision)}. It is being sent now.`
    case 'settled':
      return outcomeText(approval.outcome)
  }
}
