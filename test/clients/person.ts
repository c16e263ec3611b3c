/** Mina, who is asked: she decides about each call that she was told to expect, after as long as people take. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Client, createClient } from '../../src/commands/client.ts'
import { parseApprovalId } from '../../src/domain/approval-id.ts'

const LOOK_MS = 200

/** What `holdpoint approvals show` knows of one call. */
export type Shown = Extract<Awaited<ReturnType<Client['show']>>, { ok: true }>['value']['approval']

export interface Expected {
  readonly decision: 'approve' | 'reject'
  readonly reason: string | null
  readonly afterMs: number
}

export interface Person {
  /** @param marker a text that only this call's arguments have in them */
  expect(marker: string, expected: Expected): void
  /** Every call, at whatever stage, with this text in its arguments. */
  asked(marker: string): Promise<readonly Shown[]>
  leave(): Promise<void>
}

export function aPersonWith(url: string, token: string): Person {
  const client = createClient({ url, token })
  const expecting = new Map<string, Expected>()
  const seen = new Set<string>()
  const leaving = new AbortController()

  async function list(statuses: Parameters<Client['list']>[0]['statuses']) {
    const page = await client.list({ statuses, limit: 100, after: null })
    if (!page.ok) throw new Error(page.error.message)
    return page.value.approvals
  }

  async function show(ticket: string): Promise<Shown> {
    const shown = await client.show(idOf(ticket), false)
    if (!shown.ok) throw new Error(shown.error.message)
    return shown.value.approval
  }

  async function decide(approval: Shown, { decision, reason, afterMs }: Expected) {
    await sleep(afterMs)
    const decided = await client.decide(idOf(approval.id), { decision, digest: approval.digest, reason })
    if (!decided.ok) console.error(`${approval.id} could not be decided: ${decided.error.message}`)
  }

  async function look() {
    for (const { id } of await list(['pending'])) {
      if (seen.has(id)) continue
      seen.add(id)
      const approval = await show(id)
      const found = [...expecting].find(([marker]) => approval.params.includes(marker))
      if (found !== undefined) void decide(approval, found[1])
    }
  }

  async function sit() {
    while (!leaving.signal.aborted) {
      await look()
      await sleep(LOOK_MS)
    }
  }

  const sitting = sit()
  return {
    expect: (marker, expected) => expecting.set(marker, expected),
    async asked(marker) {
      const all = await list(['pending', 'approved', 'executing', 'settled'])
      const shown = await Promise.all(all.map(({ id }) => show(id)))
      return shown.filter(({ params }) => params.includes(marker))
    },
    leave() {
      leaving.abort()
      return sitting
    },
  }
}

function idOf(ticket: string) {
  const id = parseApprovalId(ticket)
  if (!id.ok) throw new Error(`${ticket} is no ticket`)
  return id.value
}
