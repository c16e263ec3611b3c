/** What every store of outcomes must do: each person sees those of their own agents, new until they have been marked. */
import { beforeAll, describe, expect, test } from 'vitest'
import type { Approval } from '../../src/domain/approval.ts'
import { auditEvent } from '../../src/domain/audit.ts'
import { defaultTimings as timings } from '../../src/domain/timings.ts'
import { transition } from '../../src/domain/transition.ts'
import type { Ledger } from '../../src/ports/ledger.ts'
import type { Outcomes } from '../../src/ports/outcomes.ts'
import { anApproval } from '../support/builders.ts'

let calls = 0

export function outcomesContract(
  name: string,
  open: () => Promise<{ ledger: Ledger; outcomes: Outcomes }>,
): void {
  describe(`${name} as outcomes`, () => {
    let ledger: Ledger
    let outcomes: Outcomes
    beforeAll(async () => {
      ;({ ledger, outcomes } = await open())
    })

    async function asked(owner: string): Promise<Approval> {
      const nowMs = (await ledger.nowMs()) + ++calls
      const principal = { name: `agent of ${owner}`, owner }
      const { approval, audit } = anApproval({
        nowMs,
        call: { principal, arguments: { text: '\u0000', calls } },
      })
      await ledger.create({ approval, audit, pendingPerPrincipalMax: 1_000 })
      return approval
    }
    async function ended(owner: string): Promise<Approval> {
      const approval = await asked(owner)
      const event = { kind: 'cancel', by: 'mina', reason: null } as const
      const nowMs = await ledger.nowMs()
      const step = transition(approval, event, nowMs, timings)
      if (!step.ok) throw new Error(step.error.reason)
      const audit = auditEvent(approval.auditHead, event, step.value.next, nowMs)
      const { deadline } = step.value
      const next: Approval = { ...step.value.next, auditHead: audit.hash }
      expect(await ledger.save({ previous: approval, next, deadline, audit, replyText: null })).toBe(true)
      return next
    }

    test('lists what has ended, newest first, page by page, and nothing of other people', async () => {
      const made = [await ended('sora'), await ended('sora'), await ended('sora')]
      await ended('somebody else')
      await asked('sora')
      const first = await outcomes.of('sora', 2, null)
      const second = await outcomes.of('sora', 2, first.at(-1)?.approval.id ?? null)
      expect([...first, ...second].map(({ approval }) => approval.id)).toEqual(
        made.map(({ id }) => id).reverse(),
      )
      expect([...first, ...second].every(({ isSeen }) => !isSeen)).toBe(true)
    })

    test('counts what is new, up to a bound', async () => {
      for (let n = 0; n < 4; n++) await ended('hana')
      expect(await outcomes.unseen('hana', 100)).toBe(4)
      expect(await outcomes.unseen('hana', 3)).toBe(3)
      expect(await outcomes.unseen('nobody', 100)).toBe(0)
    })

    test('marks only what is theirs, and only what was named', async () => {
      const [one, other] = [await ended('dan'), await ended('dan')]
      await outcomes.markSeen('somebody else', [one.id, other.id])
      expect(await outcomes.unseen('dan', 100)).toBe(2)
      await outcomes.markSeen('dan', [one.id])
      await outcomes.markSeen('dan', [one.id])
      expect((await outcomes.of('dan', 10, null)).map(({ isSeen }) => isSeen)).toEqual([false, true])
    })

    test('the ledger lists by owner as well', async () => {
      const open = await asked('yuna')
      const filter = { statuses: null, principal: null, limit: 10, after: null }
      expect((await ledger.list({ ...filter, owner: 'yuna' })).map(({ id }) => id)).toEqual([open.id])
    })
  })
}
