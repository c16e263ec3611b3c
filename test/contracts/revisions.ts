/** What every ledger must do about policies in force, and about approvals that were judged by one of them. */
import { beforeAll, describe, expect, test } from 'vitest'
import type { Approval } from '../../src/domain/approval.ts'
import { auditEvent, chainHash } from '../../src/domain/audit.ts'
import { approversDigest, type NewRevision, textDigest } from '../../src/domain/revision.ts'
import { defaultTimings as timings } from '../../src/domain/timings.ts'
import { type ApprovalEvent, transition } from '../../src/domain/transition.ts'
import type { Ledger } from '../../src/ports/ledger.ts'
import type { Revisions } from '../../src/ports/revisions.ts'
import { anApproval, approveEvent, approvers } from '../support/builders.ts'

let servers = 0

export function revisionsContract(
  name: string,
  open: () => Promise<{ ledger: Ledger; revisions: Revisions }>,
): void {
  describe(`${name}: policy revisions`, () => {
    let ledger: Ledger
    let revisions: Revisions
    let nowMs: number
    beforeAll(async () => {
      ;({ ledger, revisions } = await open())
      nowMs = await ledger.nowMs()
    })

    const aServer = () => `server-${++servers}`
    const aRevision = (
      server: string,
      text: string | null,
      more: Partial<NewRevision> = {},
    ): NewRevision => ({
      server,
      source: 'policies/one.yaml',
      text,
      approvers,
      textOrigin: 'laptop:/policies/one.yaml',
      approversOrigin: null,
      putBy: { kind: 'file_at_start' },
      ...more,
    })
    async function inForce(server: string, text: string): Promise<number> {
      const after = (await revisions.inForce()).get(server) ?? null
      const number = await revisions.putInForce(aRevision(server, text), after)
      if (number === null) throw new Error('somebody else was first')
      return number
    }
    async function created(server: string, judgedRevision?: number): Promise<Approval> {
      const call = { server, arguments: { server } }
      const { approval, audit } = anApproval({ nowMs, call })
      await ledger.create({
        ...{ approval, audit, pendingPerPrincipalMax: 1_000 },
        ...(judgedRevision === undefined ? {} : { judgedRevision }),
      })
      return approval
    }
    function step(previous: Approval, event: ApprovalEvent) {
      const result = transition(previous, event, nowMs, timings)
      if (!result.ok) throw new Error(JSON.stringify(result.error))
      const audit = auditEvent(previous.auditHead, event, result.value.next, nowMs)
      const next: Approval = { ...result.value.next, auditHead: audit.hash }
      return { previous, next, audit, deadline: result.value.deadline, replyText: null }
    }
    function replacement(previous: Approval, revision: number) {
      const { server } = previous.asked
      const asking = { onClientGone: 'cancel' } as const
      const { approval, audit } = anApproval({ nowMs, call: { server, arguments: { server } }, asking })
      const event = {
        kind: 'invalidate',
        change: 'other approvers',
        successor: approval.id,
        forbidden: false,
      } as const
      return { ...step(previous, event), successor: approval, successorAudit: audit, inForce: revision }
    }

    test('nothing is in force at first', async () => {
      const server = aServer()
      expect((await revisions.inForce()).has(server)).toBe(false)
      expect(await revisions.inForceOf(server)).toBeNull()
      expect(await revisions.history(server, 10, null)).toEqual([])
    })

    test('gives back exactly what was put in force, also Korean and no text at all', async () => {
      const server = aServer()
      const putBy = { kind: 'person', person: 'mina', restores: 3 } as const
      const first = aRevision(server, '# 로그아웃\ndefault: deny\n', { putBy })
      const second = aRevision(server, null, { source: 'built-in', textOrigin: null })
      expect(await revisions.putInForce(first, null)).toBe(1)
      expect(await revisions.putInForce(second, 1)).toBe(2)
      expect(await revisions.get(server, 1)).toMatchObject({ ...first, number: 1 })
      expect(await revisions.inForceOf(server)).toMatchObject({ ...second, number: 2 })
      expect((await revisions.inForce()).get(server)).toBe(2)
      expect(await revisions.get(server, 3)).toBeNull()
    })

    test('the history is newest first, page by page, with digests instead of texts', async () => {
      const server = aServer()
      for (const text of ['a', 'b', 'c']) await inForce(server, text)
      const [first, second] = [
        await revisions.history(server, 2, null),
        await revisions.history(server, 2, 2),
      ]
      expect([...first, ...second].map(({ number, digest }) => [number, digest])).toEqual([
        [3, textDigest('c')],
        [2, textDigest('b')],
        [1, textDigest('a')],
      ])
      expect(first[0]).not.toHaveProperty('text')
      expect(first[0]?.putAtMs).toBeGreaterThan(0)
    })

    test('of parallel changes exactly one comes into force, first ones and later ones', async () => {
      const server = aServer()
      for (const after of [null, 1]) {
        const put = await Promise.all(
          ['x', 'y', 'z'].map((text) => revisions.putInForce(aRevision(server, `${text} ${after}`), after)),
        )
        expect(put.filter((number) => number !== null)).toEqual([(after ?? 0) + 1])
      }
      expect(await revisions.history(server, 10, null)).toHaveLength(2)
    })

    test('says which revision had a text or approvers last', async () => {
      const server = aServer()
      await inForce(server, 'a')
      await inForce(server, 'b')
      await inForce(server, 'a')
      expect(await revisions.lastWithText(server, textDigest('a'))).toBe(3)
      expect(await revisions.lastWithText(server, textDigest('b'))).toBe(2)
      expect(await revisions.lastWithText(server, textDigest('c'))).toBeNull()
      expect(await revisions.lastWithApprovers(server, approversDigest(approvers))).toBe(3)
      const others = { ...approvers, selfConfirm: true }
      expect(await revisions.lastWithApprovers(server, approversDigest(others))).toBeNull()
    })

    test('a change is told', async () => {
      const server = aServer()
      const told = new Promise<void>((resolve) => revisions.onChange(resolve))
      await inForce(server, 'told')
      await told
    })

    test('what was not judged by the revision in force is found, of the servers asked for, until it is', async () => {
      const [one, other] = [aServer(), aServer()]
      const fresh = await created(one)
      expect(await ledger.unjudged([one], 10)).toEqual([])
      await inForce(one, 'a')
      await inForce(other, 'a')
      const foreign = await created(other, 7)
      const judged = await created(other, 1)
      expect(judged.id).not.toBe(foreign.id)
      expect(await ledger.unjudged([one], 10)).toEqual([fresh.id])
      expect(await ledger.unjudged([other], 10)).toEqual([foreign.id])
      expect(await ledger.unjudged([], 10)).toEqual([])
      await ledger.noteJudged(fresh, 1)
      expect(await ledger.unjudged([one], 10)).toEqual([])
      await inForce(one, 'b')
      const approve = step(fresh, approveEvent(fresh))
      await ledger.save(approve)
      expect(await ledger.unjudged([one], 10)).toEqual([fresh.id])
      // Judged as it was, not as it is.
      await ledger.noteJudged(fresh, 2)
      expect(await ledger.unjudged([one], 10)).toEqual([fresh.id])
      await ledger.noteJudged(approve.next, 2)
      expect(await ledger.unjudged([one], 10)).toEqual([])
      await inForce(one, 'c')
      await ledger.save(step(approve.next, { kind: 'cancel', by: 'jun', reason: null }))
      expect(await ledger.unjudged([one], 10)).toEqual([])
    })

    test('a change that names a revision is written only while that one is in force', async () => {
      const server = aServer()
      const pending = await created(server)
      const approve = step(pending, approveEvent(pending))
      expect(await ledger.save({ ...approve, inForce: 1 })).toBe(false)
      await inForce(server, 'a')
      await inForce(server, 'b')
      expect(await ledger.save({ ...approve, inForce: 1 })).toBe(false)
      expect(await ledger.auditTrail(pending.id)).toHaveLength(1)
      expect(await ledger.save({ ...approve, inForce: 2 })).toBe(true)
    })

    test('a claim in the moment of another revision is written as a whole or not at all', async () => {
      for (let round = 0; round < 20; round++) {
        const server = aServer()
        const number = await inForce(server, 'a')
        const pending = await created(server, number)
        const approve = step(pending, approveEvent(pending))
        await ledger.save({ ...approve, inForce: number })
        const [isClaimed] = await Promise.all([
          ledger.save({ ...step(approve.next, { kind: 'claim', node: 'a' }), inForce: number }),
          revisions.putInForce(aRevision(server, 'b'), number),
        ])
        const status = (await ledger.get(pending.id))?.approval.status
        expect(status).toBe(isClaimed ? 'executing' : 'approved')
      }
    })

    test('replacing ends the one and begins the other, once, with both trails', async () => {
      const server = aServer()
      const number = await inForce(server, 'a')
      const previous = await created(server)
      const replacements = [replacement(previous, number), replacement(previous, number)]
      const done = await Promise.all(replacements.map((one) => ledger.replace(one)))
      expect(done.filter(Boolean)).toHaveLength(1)
      const taken = replacements[done.indexOf(true)]
      const left = replacements[done.indexOf(false)]
      if (taken === undefined || left === undefined) throw new Error('one of two')
      expect((await ledger.get(previous.id))?.approval).toEqual(taken.next)
      expect((await ledger.get(taken.successor.id))?.approval).toEqual(taken.successor)
      expect(await ledger.get(left.successor.id)).toBeNull()
      const same = await ledger.unsettledByAttachKey(previous.asked.attachKey)
      expect(same?.approval.id).toBe(taken.successor.id)
      const [asked] = await ledger.auditTrail(taken.successor.id)
      expect(asked?.hash).toBe(chainHash('0'.repeat(64), asked?.payload ?? ''))
      expect(await ledger.auditTrail(previous.id)).toHaveLength(2)
      // Its own rule says that it ends when its requester is gone; the first look notes that nobody waits.
      await ledger.renewLease('a gateway', 60_000)
      await ledger.abandoned(0, 1_000)
      expect(await ledger.abandoned(0, 1_000)).toContain(taken.successor.id)
      // It was judged by the revision that asked for it.
      expect(await ledger.unjudged([server], 10)).toEqual([])
    })

    test('nothing is replaced under a revision that is not in force, nor what has moved on', async () => {
      const server = aServer()
      const number = await inForce(server, 'a')
      const previous = await created(server)
      expect(await ledger.replace(replacement(previous, number + 1))).toBe(false)
      await ledger.save(step(previous, { kind: 'cancel', by: 'jun', reason: null }))
      expect(await ledger.replace(replacement(previous, number))).toBe(false)
      expect(await ledger.unsettledByAttachKey(previous.asked.attachKey)).toBeNull()
    })
  })
}
