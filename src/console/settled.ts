/** What is over, by how it ended, page by page. */
import type { Outcome, Settled } from '../domain/approval.ts'
import type { ApprovalId } from '../domain/approval-id.ts'
import type { Ledger } from '../ports/ledger.ts'

export const shows = {
  all: 'All',
  ran: 'Ran',
  denied: 'Denied',
  unknown: 'Unknown end',
  expired: 'Expired',
  withdrawn: 'Withdrawn',
  unsent: 'Not sent',
} as const
export type Show = keyof typeof shows

export const isShow = (text: string): text is Show => Object.hasOwn(shows, text)

function showOf({ kind }: Outcome): Exclude<Show, 'all'> {
  switch (kind) {
    case 'answered':
      return 'ran'
    case 'rejected':
      return 'denied'
    case 'indeterminate':
      return 'unknown'
    case 'expired':
      return 'expired'
    case 'cancelled':
      return 'withdrawn'
    case 'lapsed':
    case 'invalidated':
    case 'not_sent':
      return 'unsent'
  }
}

const PAGE = 50
/** A rare end is looked for in this many rows; then the reader goes on by themselves. */
const LOOK_MAX = 1_000

/** @param from the row after which the page begins; `null`: at the newest */
export async function settledPage(
  ledger: Pick<Ledger, 'list'>,
  show: Show,
  from: ApprovalId | null,
): Promise<{ settled: readonly Settled[]; next: ApprovalId | null }> {
  const settled: Settled[] = []
  let after = from
  for (let looked = 0; looked < LOOK_MAX; looked += PAGE) {
    const rows = await ledger.list({ statuses: ['settled'], principal: null, limit: PAGE, after })
    for (const row of rows) {
      after = row.id
      if (row.status === 'settled' && (show === 'all' || showOf(row.outcome) === show)) settled.push(row)
      if (settled.length === PAGE) return { settled, next: after }
    }
    if (rows.length < PAGE) return { settled, next: null }
  }
  return { settled, next: after }
}
