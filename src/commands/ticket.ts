/** The approval a person means: a whole ticket, or the beginning of one that fits exactly one approval in question. */
import type { Status } from '../domain/approval.ts'
import { type ApprovalId, parseApprovalId, TICKET_ALPHABET } from '../domain/approval-id.ts'
import { CLI } from '../domain/command-line.ts'
import { err, ok, type Result } from '../domain/result.ts'
import { visible } from '../domain/visible.ts'
import type { Client } from './client.ts'
import type { Trouble } from './settings.ts'

const beginning = new RegExp(`^(?:HP-?)?([${TICKET_ALPHABET}]{1,10})$`)
const PAGE = 100
/** Beyond this many open approvals a beginning is no way to find one. */
const PAGES_MAX = 20

export async function resolveTicket(
  client: Client,
  typed: string,
  statuses: readonly Status[],
): Promise<Result<ApprovalId, Trouble>> {
  const whole = parseApprovalId(typed)
  if (whole.ok) return whole
  const start = beginning.exec(typed.trim().toUpperCase())?.[1]
  if (start === undefined) {
    return err({
      message: `“${visible(typed)}” is not a ticket.`,
      remedy: `A ticket reads HP- and ten characters; \`${CLI} approvals list\` shows them.`,
    })
  }
  const found: string[] = []
  let after: string | null = null
  for (let page = 0; page < PAGES_MAX; page++) {
    const answer = await client.list({ statuses, limit: PAGE, after })
    if (!answer.ok) return answer
    found.push(...answer.value.approvals.map(({ id }) => id).filter((id) => id.startsWith(`HP-${start}`)))
    after = answer.value.next
    if (after === null) break
  }
  const [only, ...others] = found
  const id = only === undefined || others.length > 0 ? null : parseApprovalId(only)
  if (id?.ok) return ok(id.value)
  return err(
    only === undefined
      ? {
          message: `No approval that is ${statuses.join(' or ')} begins with HP-${start}.`,
          remedy: `\`${CLI} approvals list\` shows the open ones; others need the whole ticket.`,
        }
      : {
          message: `${found.length} approvals begin with HP-${start}: ${found.map(visible).join(', ')}.`,
          remedy: 'Type more of the ticket.',
        },
  )
}
