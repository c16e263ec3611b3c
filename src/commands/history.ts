/** The audit events of one approval as lines for people, with a word on whether their chain holds. */
import { z } from '@hono/zod-openapi'
import type { ApprovalDetail } from '../api/schemas.ts'
import { CHAIN_START, chainHash } from '../domain/audit.ts'
import { visible } from '../domain/visible.ts'

const event = z.object({ at: z.string(), event: z.string(), details: z.record(z.string(), z.unknown()) })

const words: Readonly<Record<string, string>> = {
  ask: 'asked',
  decide: 'decided',
  expire: 'expired',
  lapse: 'lapsed',
  cancel: 'withdrawn',
  invalidate: 'no longer valid',
  claim: 'claimed for sending',
  answer: 'answered',
  fail_unsent: 'not sent',
  lose_track: 'lost track of',
  annotate: 'annotated',
}
/** What a line adds to its word. Digests and nonces stay in `--json`. */
const told = ['decision', 'by', 'via', 'reason', 'change', 'node', 'finding', 'note']

export function historyLines(audit: ApprovalDetail['audit'], when: (atMs: number) => string): string[] {
  return audit.map(({ payload }) => {
    const parsed = event.safeParse(JSON.parse(payload))
    if (!parsed.success) return visible(payload)
    const { at, event: kind, details } = parsed.data
    const facts = told.flatMap((name) => {
      const value = details[name]
      return typeof value === 'string' && value !== '' ? [`${name} ${visible(value)}`] : []
    })
    return `${when(Date.parse(at))}  ${words[kind] ?? visible(kind)}${facts.length > 0 ? `: ${facts.join(', ')}` : ''}`
  })
}

export function isChainIntact(audit: ApprovalDetail['audit']): boolean {
  let previous = CHAIN_START
  for (const { payload, hash } of audit) {
    if (chainHash(previous, payload) !== hash) return false
    previous = hash
  }
  return audit.length > 0
}
