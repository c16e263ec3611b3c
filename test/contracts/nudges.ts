/** What every store of posted nudges must do: each is taken once, only while its call waits, and only where it has a card. */
import { beforeAll, describe, expect, test } from 'vitest'
import type { Approval, Pending } from '../../src/domain/approval.ts'
import type { ApprovalId } from '../../src/domain/approval-id.ts'
import { auditEvent } from '../../src/domain/audit.ts'
import { defaultTimings as timings } from '../../src/domain/timings.ts'
import { type ApprovalEvent, transition } from '../../src/domain/transition.ts'
import type { Ledger } from '../../src/ports/ledger.ts'
import type { Nudges } from '../../src/ports/nudges.ts'
import { anApproval, approveEvent } from '../support/builders.ts'

export interface NudgesUnderTest {
  readonly ledger: Ledger
  readonly nudges: Nudges
  /** A card of this approval is at `place of <id>`. */
  putCard(id: ApprovalId): Promise<void>
}

let calls = 0

export function nudgesContract(name: string, open: () => Promise<NudgesUnderTest>): void {
  describe(`${name} as nudges`, () => {
    let under: NudgesUnderTest
    beforeAll(async () => {
      under = await open()
    })

    async function changed(approval: Approval, event: ApprovalEvent): Promise<Approval> {
      const nowMs = await under.ledger.nowMs()
      const step = transition(approval, event, nowMs, timings)
      if (!step.ok) throw new Error(JSON.stringify(step.error))
      const audit = auditEvent(approval.auditHead, event, step.value.next, nowMs)
      const next: Approval = { ...step.value.next, auditHead: audit.hash }
      const change = { previous: approval, next, deadline: step.value.deadline, audit, replyText: null }
      expect(await under.ledger.save(change)).toBe(true)
      return next
    }
    /** One whose two reminders have been due for a minute. */
    async function asked(reminded: number): Promise<Approval> {
      const nowMs = (await under.ledger.nowMs()) - 60_000
      const made = anApproval({
        nowMs,
        call: { arguments: { text: '\u0000', calls: ++calls } },
        decisionMs: 600_000,
      })
      const approval: Pending = {
        ...made.approval,
        asking: { ...made.approval.asking, remindersMs: [1_000] },
        nudges: [],
      }
      await under.ledger.create({ approval, audit: made.audit, pendingPerPrincipalMax: 1_000 })
      return reminded === 0 ? approval : changed(approval, { kind: 'nudge' })
    }

    test('of many that take one at once, one gets it, with the place of the card', async () => {
      const { id } = await asked(1)
      await under.putCard(id)
      const places = await Promise.all(Array.from({ length: 10 }, () => under.nudges.take(id, 'slack', 1)))
      expect(places.filter((place) => place !== null)).toEqual([`place of ${id}`])
      expect(await under.nudges.take(id, 'slack', 1)).toBeNull()
    })

    test('none is taken that the record does not list, and none without a card', async () => {
      const { id } = await asked(1)
      expect(await under.nudges.take(id, 'slack', 1)).toBeNull()
      await under.putCard(id)
      expect(await under.nudges.take(id, 'slack', 2)).toBeNull()
      expect(await under.nudges.take(id, 'slack', 1)).toBe(`place of ${id}`)
    })

    test('none is taken after the decision', async () => {
      const approval = await asked(1)
      await under.putCard(approval.id)
      await changed(approval, approveEvent(approval))
      expect(await under.nudges.take(approval.id, 'slack', 1)).toBeNull()
      expect(await under.nudges.untaken('slack', 1_000)).not.toContain(approval.id)
    })

    test('what was given back can be taken again, and is listed until then', async () => {
      const { id } = await asked(1)
      await under.putCard(id)
      expect(await under.nudges.untaken('slack', 1_000)).toContain(id)
      await under.nudges.take(id, 'slack', 1)
      expect(await under.nudges.untaken('slack', 1_000)).not.toContain(id)
      await under.nudges.giveBack(id, 'slack', 1)
      expect(await under.nudges.untaken('slack', 1_000)).toContain(id)
      expect(await under.nudges.take(id, 'slack', 1)).not.toBeNull()
      await under.nudges.posted(id, 'slack', 1, ['mina'])
      expect(await under.nudges.untaken('slack', 1_000)).not.toContain(id)
    })

    test('nothing is listed of what has no nudge', async () => {
      const { id } = await asked(0)
      await under.putCard(id)
      expect(await under.nudges.untaken('slack', 1_000)).not.toContain(id)
    })
  })
}
