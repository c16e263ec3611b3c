/** `approvals list` and `approvals show`. */
import type { ApprovalPage } from '../api/schemas.ts'
import type { Outcome, Status } from '../domain/approval.ts'
import { CLI } from '../domain/command-line.ts'
import { riskWords, spanText } from '../domain/present.ts'
import { ok } from '../domain/result.ts'
import { visible, visibleJson } from '../domain/visible.ts'
import { historyLines, isChainIntact } from './history.ts'
import type { ExitCode } from './io.ts'
import type { Parts } from './parts.ts'
import { localTime, renderApproval } from './render.ts'
import { done, mismatch, presentDetail, printJson, tell, withClient } from './session.ts'
import { table } from './table.ts'
import { resolveTicket } from './ticket.ts'

export const openStatuses: readonly Status[] = ['pending', 'approved', 'executing']
const allStatuses: readonly Status[] = [...openStatuses, 'settled']

export interface ListOptions {
  readonly which: readonly Status[] | 'open' | 'all'
  /** Only of agents that the person answers for. */
  readonly isMine: boolean
  readonly limit: number
  readonly after: string | null
  readonly json: boolean
}

export function listApprovals(
  parts: Parts,
  { which, isMine, limit, after, json }: ListOptions,
): Promise<ExitCode> {
  const { io } = parts
  return withClient(parts, async (client) => {
    const statuses = which === 'all' ? allStatuses : which === 'open' ? openStatuses : which
    const page = await client.list({ statuses, limit, after, isMine })
    if (!page.ok) return page
    if (json) {
      printJson(io, page.value)
    } else if (page.value.approvals.length === 0) {
      io.out(isMine ? 'No agent of yours has asked for anything like that.' : noneText(which))
    } else {
      for (const line of rows(page.value)) io.out(line)
      if (page.value.next !== null) io.err(`More: add --after ${visible(page.value.next)}`)
    }
    return done
  })
}

function noneText(which: ListOptions['which']): string {
  if (which === 'open') return 'Nothing is open.'
  return which === 'all' ? 'There are no approvals.' : `No approval is ${which.join(' or ')}.`
}

/** How a settled one ended, in a word or three. */
const endings: Readonly<Record<Outcome['kind'], string>> = {
  answered: 'sent, answered',
  rejected: 'denied',
  expired: 'expired',
  lapsed: 'approved, not sent',
  cancelled: 'withdrawn',
  invalidated: 'no longer valid',
  not_sent: 'could not be sent',
  indeterminate: 'perhaps sent',
}
const endingOf = new Map<string, string>(Object.entries(endings))

function rows({ approvals, now }: ApprovalPage): readonly string[] {
  const nowMs = Date.parse(now)
  return table([
    ['TICKET', 'RISK', 'STATE', 'SERVER', 'TOOL', 'ASKED BY', 'ASKED AT', 'DECIDE WITHIN'],
    ...approvals.map((row) => [
      visible(row.id),
      riskWords[row.risk],
      row.outcome === null ? stateOf(row) : (endingOf.get(row.outcome) ?? visible(row.outcome)),
      visible(row.server),
      visible(row.tool),
      `${visible(row.requester.name)} (${visible(row.requester.owner)})`,
      localTime(Date.parse(row.createdAt), nowMs),
      row.status === 'pending' ? spanText(Date.parse(row.expiresAt) - nowMs) : '',
    ]),
  ])
}

/** With how many of the yeses are there, where it needs several. */
const stateOf = ({ status, yeses }: ApprovalPage['approvals'][number]) =>
  status === 'pending' && yeses !== null ? `${status}, ${yeses.said} of ${yeses.wanted}` : status

export interface ShowOptions {
  readonly reply: boolean
  readonly json: boolean
}

export function showApproval(parts: Parts, typed: string, { reply, json }: ShowOptions): Promise<ExitCode> {
  const { io } = parts
  const { bold, dim, red } = io.colours
  return withClient(parts, async (client) => {
    const id = await resolveTicket(client, typed, openStatuses)
    if (!id.ok) return id
    const answer = await client.show(id.value, reply)
    if (!answer.ok) return answer
    const detail = answer.value
    const wrong = mismatch(detail.approval)
    if (json) {
      printJson(io, detail)
      if (wrong === null) return done
      tell(io, wrong)
      return ok(1)
    }

    const nowMs = Date.parse(detail.now)
    io.out(renderApproval(presentDetail(detail), io.colours))
    if (detail.replyText !== null) {
      io.out(`\n${bold('Reply')} ${dim('(in full)')}`)
      for (const line of visibleJson(detail.replyText)) io.out(`  ${line}`)
    }
    for (const { at, text } of detail.lateReplies) {
      const when = localTime(Date.parse(at), nowMs)
      io.out(`\n${bold('Came later')} ${dim(`(${when}, in full; the outcome stays unknown)`)}`)
      for (const line of visibleJson(text)) io.out(`  ${line}`)
    }
    const chain = isChainIntact(detail.audit)
      ? dim('(the chain of its audit events holds)')
      : red('(BROKEN CHAIN)')
    io.out(`\n${bold('History')} ${chain}`)
    for (const line of historyLines(detail.audit, (atMs) => localTime(atMs, nowMs))) io.out(`  ${line}`)
    if (wrong !== null) {
      tell(io, wrong)
      return ok(1)
    }
    if (detail.approval.status === 'pending') {
      const { yes } = detail
      io.out('')
      io.out(
        yes.kind === 'offered'
          ? `${yes.word}: ${CLI} approvals approve ${id.value} · Deny: ${CLI} approvals deny ${id.value}`
          : visible(yes.because),
      )
    }
    return done
  })
}
