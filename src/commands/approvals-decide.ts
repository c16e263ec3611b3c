/** `approvals approve`, `deny`, `cancel` and `annotate`. A yes is only ever sent for the digest that was on the screen. */
import type { ApprovalDetail, ApprovalView } from '../api/schemas.ts'
import { fromView } from '../api/view.ts'
import { grantText } from '../domain/grant-text.ts'
import { decisionText, outcomeText, spanText } from '../domain/present.ts'
import { progressText } from '../domain/quorum-text.ts'
import { err, ok, type Result } from '../domain/result.ts'
import { visible } from '../domain/visible.ts'
import { durationMs } from './approvals-change.ts'
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
  /** Allow more of such calls as well; `for`: a duration, or `null` for as long as the rule lets. */
  readonly grant?: { readonly uses: number; readonly for: string | null } | null
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
    const grant = grantOf(detail, options.grant ?? null)
    if (!grant.ok) return grant
    if (grant.value !== null) {
      show(`It would allow ${grant.value.text}.`)
      show('')
    } else if (detail.mayGrant) {
      const offer = `You may allow up to ${detail.approval.grants?.usesMax} more of such calls as well, with --grant.`
      show(offer)
      show('')
    }
    if (
      !options.yes &&
      !/^y(es)?$/i.test(
        (
          await io.ask(
            `${word} this call, exactly as shown${grant.value === null ? '' : `, and ${grant.value.text}`}? [y/N] `,
          )
        ).trim(),
      )
    ) {
      io.err('Nothing was decided.')
      return ok(1)
    }
    const reason = options.reason ?? (await askedReason(io, detail.approval))
    const wish = grant.value === null ? null : { uses: grant.value.uses, seconds: grant.value.seconds }
    const said = { decision: 'approve', digest, reason, grant: wish } as const
    return report(io, await client.decide(id.value, said), options.json)
  })
}

interface WantedGrant {
  readonly uses: number
  readonly seconds: number
  readonly text: string
}

/** What would be allowed besides, in words; the gateway checks it again. `null`: nothing is wanted. */
function grantOf(
  { approval, mayGrant }: ApprovalDetail,
  wish: { readonly uses: number; readonly for: string | null } | null,
): Result<WantedGrant | null, Trouble> {
  if (wish === null) return ok(null)
  const { grants } = approval
  if (!mayGrant || grants === null) {
    return err({
      message: 'Nothing was decided. With this call you can grant nothing more.',
      remedy: 'Leave out --grant; what can be granted, and by whom, is said by the rule.',
    })
  }
  const ms = wish.for === null ? grants.durationMsMax : durationMs(wish.for)
  if (!Number.isFinite(ms) || ms < 1_000) {
    return err({ message: '--grant-for takes a duration, such as 30m.', remedy: null })
  }
  const presentable = fromView(approval)
  const call = { asked: presentable.asked, ...grantable(approval) }
  const text = grantText(call, wish.uses, `for ${spanText(ms)}`)
  return ok({ uses: wish.uses, seconds: Math.floor(ms / 1_000), text })
}

const grantable = ({ grants, params }: ApprovalView) => ({
  asking: { grants },
  proposed: { canonicalParams: params },
})

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
