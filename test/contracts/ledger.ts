/** What every ledger must do. Time-dependent cases use deadlines in the past and the far future, so that no clock is needed. */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Approval } from '../../src/domain/approval.ts'
import type { ApprovalId } from '../../src/domain/approval-id.ts'
import { auditEvent, CHAIN_START, chainHash } from '../../src/domain/audit.ts'
import { unknownSend } from '../../src/domain/evidence.ts'
import { grantScope } from '../../src/domain/grant.ts'
import { LOOKUP_AFTER_MS } from '../../src/domain/lookups.ts'
import { defaultTimings as timings, UNHEARD_MS } from '../../src/domain/timings.ts'
import { type ApprovalEvent, type Deadline, transition } from '../../src/domain/transition.ts'
import type { Ledger, SeenLast } from '../../src/ports/ledger.ts'
import { NewerForm } from '../../src/ports/ledger-faults.ts'
import { anApproval, approveEvent } from '../support/builders.ts'

const PENDING_MAX = 1_000
/** A form that no version knows yet. */
const NEWER = 99
let calls = 0
const uniqueCall = () => ({ arguments: { n: ++calls } })

export interface LedgerUnderTest {
  readonly ledger: Ledger
  /** As if a newer version had written it. */
  setForm(id: ApprovalId, form: number): unknown
  /** As if so much time went by since leases were taken and somebody was last waited for. */
  pass(ms: number): unknown
}

export function ledgerContract(name: string, open: () => Promise<LedgerUnderTest>): void {
  describe(`${name} as a ledger`, () => {
    let ledger: Ledger
    let setForm: LedgerUnderTest['setForm']
    let pass: LedgerUnderTest['pass']
    let nowMs: number
    beforeAll(async () => {
      const opened = await open()
      ledger = opened.ledger
      setForm = opened.setForm
      pass = opened.pass
      nowMs = await ledger.nowMs()
    })

    async function created(overrides: Parameters<typeof anApproval>[0] = {}): Promise<Approval> {
      const { approval, audit } = anApproval({ nowMs, call: uniqueCall(), ...overrides })
      expect(await ledger.create({ approval, audit, pendingPerPrincipalMax: PENDING_MAX })).toEqual({
        kind: 'created',
      })
      return approval
    }

    function step(previous: Approval, event: ApprovalEvent, atMs = nowMs, deadline?: Deadline) {
      const result = transition(previous, event, atMs, timings)
      if (!result.ok) throw new Error(JSON.stringify(result.error))
      const audit = auditEvent(previous.auditHead, event, result.value.next, atMs)
      const next: Approval = { ...result.value.next, auditHead: audit.hash }
      return { previous, next, audit, deadline: deadline ?? result.value.deadline, replyText: null }
    }

    test('gives back exactly what was put in, also NUL, Korean and lone quotes', async () => {
      const approval = await created({
        call: { arguments: { text: '\u0000 로그아웃 "\' \u{1F4A3}', n: ++calls } },
      })
      const reading = await ledger.get(approval.id)
      expect(reading?.approval).toEqual(approval)
      expect(reading?.nowMs).toBeGreaterThanOrEqual(nowMs)
    })

    test('of twenty parallel same calls one creates and the others attach to it', async () => {
      const call = uniqueCall()
      const results = await Promise.all(
        Array.from({ length: 20 }, () =>
          ledger.create({ ...anApproval({ nowMs, call }), pendingPerPrincipalMax: PENDING_MAX }),
        ),
      )
      expect(results.filter((result) => result.kind === 'created')).toHaveLength(1)
      const attached = results.flatMap((result) => (result.kind === 'attached' ? [result.approval.id] : []))
      expect(attached).toHaveLength(19)
      expect(new Set(attached).size).toBe(1)
    })

    test('attaching comes before the limit of pending calls, which then refuses', async () => {
      const call = { ...uniqueCall(), principal: { name: 'greedy', owner: 'jun' } }
      const first = { ...anApproval({ nowMs, call }), pendingPerPrincipalMax: 1 }
      expect(await ledger.create(first)).toEqual({ kind: 'created' })
      expect(
        await ledger.create({ ...anApproval({ nowMs, call }), pendingPerPrincipalMax: 1 }),
      ).toMatchObject({
        kind: 'attached',
      })
      const other = {
        ...anApproval({ nowMs, call: { ...call, ...uniqueCall() } }),
        pendingPerPrincipalMax: 1,
      }
      expect(await ledger.create(other)).toEqual({ kind: 'too_many_pending', pending: 1 })
    })

    describe('who asks says how the same call ended last', () => {
      const seen = ({ id, version }: Approval) => ({ id, version })
      const unseen = { byAttachKey: null, byCallKey: null }
      async function ended(overrides: Parameters<typeof anApproval>[0]): Promise<Approval> {
        const pending = await created(overrides)
        const cancelled = step(pending, { kind: 'cancel', by: 'jun', reason: null })
        expect(await ledger.save(cancelled)).toBe(true)
        return cancelled.next
      }
      const create = (overrides: Parameters<typeof anApproval>[0], seenLast: SeenLast) =>
        ledger.create({
          ...anApproval({ nowMs, ...overrides }),
          pendingPerPrincipalMax: PENDING_MAX,
          seenLast,
        })

      test('what has ended unseen keeps it out, and leaves nothing behind', async () => {
        const call = uniqueCall()
        const { id } = await ended({ call })
        expect(await create({ call }, unseen)).toEqual({ kind: 'moved_on' })
        const [{ approval }] = [anApproval({ nowMs, call })]
        expect(await ledger.unsettledByAttachKey(approval.asked.attachKey)).toBeNull()
        expect((await ledger.lastSettledByAttachKey(approval.asked.attachKey))?.approval.id).toBe(id)
      })

      test('what was seen does not, and of nothing nothing was seen', async () => {
        expect(await create({ call: uniqueCall() }, unseen)).toEqual({ kind: 'created' })
        const call = uniqueCall()
        const last = seen(await ended({ call }))
        expect(await create({ call }, { byAttachKey: last, byCallKey: last })).toEqual({ kind: 'created' })
      })

      test('the same call under another idempotency key counts as well', async () => {
        const call = uniqueCall()
        const other = { ...call, idempotencyKey: `other-${calls}` }
        const last = seen(await ended({ call: other }))
        expect(await create({ call }, unseen)).toEqual({ kind: 'moved_on' })
        expect(await create({ call }, { byAttachKey: null, byCallKey: last })).toEqual({ kind: 'created' })
      })

      test('what was said about it since counts as well', async () => {
        const call = uniqueCall()
        const last = seen(await ended({ call }))
        const before = { ...last, version: last.version - 1 }
        expect(await create({ call }, { byAttachKey: before, byCallKey: before })).toEqual({
          kind: 'moved_on',
        })
      })

      test.each(['no', 'unknown end'] as const)(
        'a sibling’s %s that was timed earlier and written later keeps it out, for as long as it refuses',
        async (end) => {
          const call = uniqueCall()
          const sibling = await created({ call: { ...call, idempotencyKey: `sibling-${calls}` } })
          const other = await created({ call })
          const cancelled = step(other, { kind: 'cancel', by: 'jun', reason: null }, nowMs + 1_000)
          expect(await ledger.save(cancelled)).toBe(true)
          const last = seen(cancelled.next)
          const again = (coolDownMs?: number) =>
            ledger.create({
              ...anApproval({ nowMs, call }),
              ...{ pendingPerPrincipalMax: PENDING_MAX, seenLast: { byAttachKey: last, byCallKey: last } },
              ...(coolDownMs === undefined ? {} : { coolDownMs }),
            })
          const approve = approveEvent(sibling)
          const events: readonly ApprovalEvent[] =
            end === 'no'
              ? [{ ...approve, decision: { ...approve.decision, kind: 'reject' } }]
              : [approve, { kind: 'claim', node: 'a' }, { kind: 'lose_track', reason: 'reset' }]
          let now = sibling
          for (const event of events) {
            const written = step(now, event)
            expect(await ledger.save(written)).toBe(true)
            now = written.next
          }
          // What ended last is what was seen, still.
          expect((await ledger.lastSettledByCallKey(sibling.asked.callKey))?.approval.id).toBe(last.id)
          expect(await again(3_600_000)).toEqual({ kind: 'moved_on' })
          expect(await again(0)).toEqual({ kind: end === 'no' ? 'created' : 'moved_on' })
        },
      )

      test('who has seen what is no more the last is kept out, and what waits is attached to all the same', async () => {
        const call = uniqueCall()
        const last = seen(await ended({ call }))
        const waiting = await created({ call })
        const stale = { byAttachKey: last, byCallKey: last }
        expect(await create({ call }, stale)).toMatchObject({
          kind: 'attached',
          approval: { id: waiting.id },
        })
        const expired = step(waiting, { kind: 'cancel', by: 'jun', reason: null }, nowMs + 1)
        expect(await ledger.save(expired)).toBe(true)
        expect(await create({ call }, stale)).toEqual({ kind: 'moved_on' })
      })
    })

    test('of twenty parallel changes of one version exactly one is saved', async () => {
      const pending = await created()
      const saved = await Promise.all(
        Array.from({ length: 20 }, () => ledger.save(step(pending, approveEvent(pending)))),
      )
      expect(saved.filter(Boolean)).toHaveLength(1)
      expect(await ledger.auditTrail(pending.id)).toHaveLength(2)
    })

    test('a claim is taken once, and only from the version it was decided on', async () => {
      const pending = await created()
      const approve = step(pending, approveEvent(pending))
      await ledger.save(approve)
      const claims = await Promise.all(
        ['a', 'b', 'c'].map((node) => ledger.save(step(approve.next, { kind: 'claim', node }))),
      )
      expect(claims.filter(Boolean)).toHaveLength(1)
      expect(await ledger.save(step(pending, { kind: 'cancel', by: 'jun', reason: null }))).toBe(false)
    })

    test('the deadline is checked by the ledger, whatever the caller believed', async () => {
      const pending = await created()
      const past: Deadline = { kind: 'before', atMs: nowMs - 1 }
      expect(await ledger.save(step(pending, approveEvent(pending), nowMs, past))).toBe(false)
      const future: Deadline = { kind: 'from', atMs: nowMs + 3_600_000 }
      expect(await ledger.save(step(pending, { kind: 'expire' }, nowMs + 60_000, future))).toBe(false)
      expect((await ledger.get(pending.id))?.approval).toEqual(pending)
      expect(await ledger.auditTrail(pending.id)).toHaveLength(1)
    })

    test('the audit events of an approval form a chain that verifies', async () => {
      const pending = await created()
      const approve = step(pending, approveEvent(pending))
      await ledger.save(approve)
      await ledger.save(step(approve.next, { kind: 'claim', node: 'a' }))
      const trail = await ledger.auditTrail(pending.id)
      expect(trail).toHaveLength(3)
      let head = CHAIN_START
      for (const { payload, hash } of trail) {
        expect(hash).toBe(chainHash(head, payload))
        head = hash
      }
      expect((await ledger.get(pending.id))?.approval.auditHead).toBe(head)
    })

    test('keeps the reply byte for byte beside the record', async () => {
      const pending = await created()
      const approve = step(pending, approveEvent(pending))
      await ledger.save(approve)
      const claim = step(approve.next, { kind: 'claim', node: 'a' })
      await ledger.save(claim)
      const text = '{"content":[],"big":9007199254740993, "x":"\\u0000"}'
      const said = { kind: 'result', isError: false, digest: 'd', bytes: text.length } as const
      const reply = { ...said, isTask: true } as const
      expect(await ledger.save({ ...step(claim.next, { kind: 'answer', reply }), replyText: text })).toBe(
        true,
      )
      expect((await ledger.get(pending.id))?.approval).toMatchObject({ outcome: { kind: 'answered', reply } })
      expect(await ledger.replyText(pending.id)).toBe(text)
      expect(await ledger.lateReplies(pending.id)).toEqual([])
      await ledger.keepEvidence(pending.id, text)
      expect(await ledger.lateReplies(pending.id)).toEqual([{ atMs: expect.any(Number), text }])
    })

    test('finds the unsettled and the last settled one of a call, and when it was delivered', async () => {
      const pending = await created()
      const { attachKey } = pending.asked
      expect((await ledger.unsettledByAttachKey(attachKey))?.approval.id).toBe(pending.id)
      expect(await ledger.lastSettledByAttachKey(attachKey)).toBeNull()
      await ledger.markDelivered(pending.id)
      const cancel = step(pending, { kind: 'cancel', by: 'jun', reason: 'wrong one' })
      await ledger.save(cancel)
      expect(await ledger.unsettledByAttachKey(attachKey)).toBeNull()
      expect(await ledger.lastSettledByAttachKey(attachKey)).toEqual({
        approval: cancel.next,
        deliveredAtMs: null,
      })
      expect(await ledger.deliveredAtMs(pending.id)).toBeNull()
      await ledger.markDelivered(pending.id)
      const delivered = await ledger.lastSettledByAttachKey(attachKey)
      expect(delivered?.deliveredAtMs).toBeGreaterThanOrEqual(nowMs)
      expect(await ledger.deliveredAtMs(pending.id)).toBe(delivered?.deliveredAtMs)
    })

    test('an idempotency key leads to the call it was first used with', async () => {
      const approval = await created({ call: { ...uniqueCall(), idempotencyKey: 'once' } })
      const { requester, server, attachKey } = approval.asked
      expect(await ledger.attachKeyOf(requester.name, server, 'once')).toBe(attachKey)
      expect(await ledger.attachKeyOf(requester.name, server, 'never')).toBeNull()
      expect(await ledger.attachKeyOf('other', server, 'once')).toBeNull()
    })

    test('of two different calls with one idempotency key that come together, one gets in', async () => {
      const wish = () => ({
        ...uniqueCall(),
        idempotencyKey: 'together',
        principal: { name: 'hasty', owner: 'jun' },
      })
      const results = await Promise.all(
        [wish(), wish(), wish()].map((call) =>
          ledger.create({ ...anApproval({ nowMs, call }), pendingPerPrincipalMax: PENDING_MAX }),
        ),
      )
      expect(results.map(({ kind }) => kind).sort()).toEqual([
        'created',
        'idempotency_key_reused',
        'idempotency_key_reused',
      ])
    })

    test('finds the last settled one that asked for the same, whatever told it apart', async () => {
      const call = uniqueCall()
      const first = await created({ call: { ...call, idempotencyKey: `first ${calls}` } })
      const cancel = step(first, { kind: 'cancel', by: 'jun', reason: null })
      await ledger.save(cancel)
      const { approval: again } = anApproval({ nowMs, call: { ...call, idempotencyKey: `second ${calls}` } })
      expect(again.asked.attachKey).not.toBe(first.asked.attachKey)
      expect(await ledger.lastSettledByCallKey(again.asked.callKey)).toMatchObject({
        approval: { id: first.id },
      })
    })

    describe('of all that asked for the same, what keeps it from being asked again', () => {
      const COOL_DOWN_MS = 60_000
      const reject = (approval: Approval): ApprovalEvent => ({
        kind: 'decide',
        decision: { ...approveEvent(approval).decision, kind: 'reject' },
      })
      const cancel: ApprovalEvent = { kind: 'cancel', by: 'jun', reason: null }
      let keys = 0
      const sibling = (call: ReturnType<typeof uniqueCall>) =>
        created({ call: { ...call, idempotencyKey: `sibling ${++keys}` } })
      async function went(approval: Approval, ...events: readonly ApprovalEvent[]): Promise<Approval> {
        let now = approval
        for (const event of events) {
          const change = step(now, event)
          expect(await ledger.save(change)).toBe(true)
          now = change.next
        }
        return now
      }
      const lost = (approval: Approval) =>
        went(
          approval,
          approveEvent(approval),
          { kind: 'claim', node: 'lost-here' },
          { kind: 'lose_track', reason: 'the connection broke', send: unknownSend },
        )
      const refusing = async ({ asked }: Approval, coolDownMs = COOL_DOWN_MS) =>
        (await ledger.refusingByCallKey(asked.callKey, coolDownMs))?.id ?? null

      test('is nothing where none was refused or lost', async () => {
        const call = uniqueCall()
        const first = await sibling(call)
        expect(await refusing(first)).toBeNull()
        await went(first, cancel)
        expect(await refusing(first)).toBeNull()
      })

      test('is the newest no within the cool-down, whatever has ended since', async () => {
        const call = uniqueCall()
        const [first, other] = [await sibling(call), await sibling(call)]
        await went(first, reject(first))
        await went(other, cancel)
        expect(await refusing(first)).toBe(first.id)
        expect(await refusing(first, 0)).toBeNull()
      })

      test('is an end that nobody knows and nobody has looked at, however old, and before any no', async () => {
        const call = uniqueCall()
        const [first, other, third] = [await sibling(call), await sibling(call), await sibling(call)]
        const unknown = await lost(first)
        await went(other, cancel)
        await went(third, reject(third))
        expect(await refusing(first, 0)).toBe(first.id)
        expect(await refusing(first)).toBe(first.id)
        const finding = { finding: 'happened', by: 'mina', note: null } as const
        await went(unknown, { kind: 'annotate', annotation: finding })
        expect(await refusing(first)).toBe(third.id)
        expect(await refusing(first, 0)).toBeNull()
      })

      test('is no more such an end that a person asked again about, once that has ended too', async () => {
        const unknown = await lost(await sibling(uniqueCall()))
        const { approval: successor } = anApproval({
          nowMs,
          call: { ...uniqueCall(), idempotencyKey: `next ${++keys}` },
        })
        await ledger.create({
          ...anApproval({ nowMs }),
          approval: successor,
          pendingPerPrincipalMax: PENDING_MAX,
        })
        await went(unknown, {
          kind: 'ask_again',
          by: 'mina',
          via: 'api',
          reason: null,
          successor: successor.id,
        })
        expect(await refusing(unknown)).toBe(unknown.id)
        await went(successor, cancel)
        expect(await refusing(unknown)).toBeNull()
      })

      test('is not what a call itself says in its arguments', async () => {
        const text = '{"kind":"rejected"} "kind":"indeterminate" "annotations":[]'
        const pending = await created({ call: { arguments: { text, n: ++calls } } })
        await went(pending, cancel)
        expect(await refusing(pending)).toBeNull()
      })
    })

    test('waiters that are new or held are kept', async () => {
      const { id } = await created()
      await ledger.renewLease('keeper', 60_000)
      const row = await ledger.addWaiter(id, 'keeper')
      await ledger.keepWaiters('keeper', [])
      await ledger.keepWaiters('keeper', [row])
      expect(await ledger.waitingNodes(id)).toEqual(['keeper'])
    })

    test('what is due is listed, what is settled or not yet due is not', async () => {
      const due = await created({ nowMs: nowMs - 1_000, decisionMs: 500 })
      const later = await created()
      const ids = await ledger.due(1_000)
      expect(ids).toContain(due.id)
      expect(ids).not.toContain(later.id)
      await ledger.save(step(due, { kind: 'expire' }, nowMs))
      expect(await ledger.due(1_000)).not.toContain(due.id)
    })

    test('a call whose gateway has no lease any more is due', async () => {
      const pending = await created()
      const approve = step(pending, approveEvent(pending))
      await ledger.save(approve)
      await ledger.renewLease('sender', 60_000)
      await ledger.save(step(approve.next, { kind: 'claim', node: 'sender' }))
      expect(await ledger.hasLiveLease('sender')).toBe(true)
      expect(await ledger.due(1_000)).not.toContain(pending.id)
      expect(await ledger.claimsOf('sender')).toEqual([pending.id])
      expect(await ledger.claimsOf('somebody else')).toEqual([])
      await ledger.dropLease('sender')
      expect(await ledger.hasLiveLease('sender')).toBe(false)
      expect(await ledger.due(1_000)).toContain(pending.id)
    })

    test('finds approved calls that may run without their requester, whatever their arguments say', async () => {
      const call = { arguments: { text: '\u0000 "onClientGone":"execute"', n: ++calls } }
      const waiting = await created({ call })
      await ledger.save(step(waiting, approveEvent(waiting)))
      const { approval, audit } = anApproval({ nowMs, call: uniqueCall() })
      const alone = { ...approval, asking: { ...approval.asking, onClientGone: 'execute' as const } }
      await ledger.create({ approval: alone, audit, pendingPerPrincipalMax: PENDING_MAX })
      expect(await ledger.runnableAlone(1_000, null)).not.toContain(alone.id)
      await ledger.save(step(alone, approveEvent(alone)))
      expect(await ledger.runnableAlone(1_000, alone.id)).not.toContain(alone.id)
      const runnable = await ledger.runnableAlone(1_000, null)
      expect(runnable).toContain(alone.id)
      expect(runnable).not.toContain(waiting.id)
      // From the one before on, each comes once.
      const one = await ledger.runnableAlone(1, null)
      const rest = await ledger.runnableAlone(1_000, one[0] ?? null)
      expect([...one, ...rest]).toEqual(runnable)
    })

    test('lists what is still to be read for people, and not what only says so in its arguments', async () => {
      const asking = {
        lookups: [{ label: null, tool: 'get_repository', arguments: [{ name: 'name', value: 'acme/shop' }] }],
      }
      const call = uniqueCall()
      const made = anApproval({ nowMs, call, asking })
      const open: Approval = { ...made.approval, lookups: null }
      await ledger.create({ approval: open, audit: made.audit, pendingPerPrincipalMax: PENDING_MAX })
      const other = await created({ call: { arguments: { text: '"lookups":null', n: ++calls } } })
      const wanted = await ledger.lookupsWanted(['github'], 1_000)
      expect(wanted).toContain(open.id)
      expect(wanted).not.toContain(other.id)
      expect(await ledger.lookupsWanted(['elsewhere'], 1_000)).not.toContain(open.id)
      const found = { kind: 'none', reason: 'the server does not offer this tool' } as const
      const lookups = [{ label: null, tool: 'get_repository', arguments: null, found }]
      const read = step(open, { kind: 'look_up', digest: open.proposed.digest, lookups })
      expect(await ledger.save(read)).toBe(true)
      expect(await ledger.lookupsWanted(['github'], 1_000)).not.toContain(open.id)
      expect((await ledger.get(open.id))?.approval).toEqual(read.next)

      const lost = await ended(read.next)
      expect(await ledger.lookupsWanted(['github'], 1_000)).toContain(lost.id)
      const after = step(lost, { kind: 'look_up', digest: open.proposed.digest, lookups })
      await ledger.save(after)
      expect(await ledger.lookupsWanted(['github'], 1_000)).not.toContain(open.id)
      expect((await ledger.get(open.id))?.approval).toEqual(after.next)
    })

    test('lists for anybody what nobody has read in time, so that it can be closed', async () => {
      const asking = { lookups: [{ label: null, tool: 'get_repository', arguments: [] }] }
      const made = anApproval({ nowMs, call: uniqueCall(), asking })
      await ledger.create({ ...made, pendingPerPrincipalMax: PENDING_MAX })
      const lost = await ended(made.approval, nowMs - LOOKUP_AFTER_MS)
      expect(await ledger.lookupsWanted([], 1_000)).toContain(lost.id)
      const found = { kind: 'none', reason: 'no gateway read it in time' } as const
      const lookups = [{ label: null, tool: 'get_repository', arguments: null, found }]
      await ledger.save(step(lost, { kind: 'look_up', digest: lost.proposed.digest, lookups }))
      expect(await ledger.lookupsWanted(['github'], 1_000)).not.toContain(lost.id)
    })

    async function ended(pending: Approval, atMs = nowMs): Promise<Approval> {
      let approval = pending
      for (const event of [
        approveEvent(pending),
        { kind: 'claim', node: 'dead' },
        { kind: 'lose_track', reason: 'the connection broke' },
      ] as const) {
        const change = step(approval, event, event.kind === 'lose_track' ? atMs : nowMs)
        expect(await ledger.save(change)).toBe(true)
        approval = change.next
      }
      return approval
    }

    test('waiters count while their gateway has a lease, oldest first', async () => {
      const { id } = await created()
      await ledger.renewLease('first', 60_000)
      await ledger.renewLease('second', 60_000)
      const oldest = await ledger.addWaiter(id, 'first')
      await ledger.addWaiter(id, 'second')
      await ledger.addWaiter(id, 'dead')
      expect(await ledger.waitingNodes(id)).toEqual(['first', 'second'])
      await ledger.removeWaiter(oldest)
      expect(await ledger.waitingNodes(id)).toEqual(['second'])
      await ledger.dropLease('second')
      expect(await ledger.waitingNodes(id)).toEqual([])
    })

    test('why an approved call could not be sent yet is remembered', async () => {
      const pending = await created()
      const approve = step(pending, approveEvent(pending))
      await ledger.save(approve)
      expect(await ledger.unsentReason(pending.id)).toBeNull()
      await ledger.noteUnsent(pending.id, 'connection refused')
      expect(await ledger.unsentReason(pending.id)).toBe('connection refused')
    })

    test('lists newest first, page by page, by status and principal', async () => {
      const principal = { name: 'lister', owner: 'jun' }
      const made: Approval[] = []
      for (let n = 0; n < 5; n++)
        made.push(await created({ nowMs: nowMs + n, call: { ...uniqueCall(), principal } }))
      const filter = { statuses: ['pending' as const], principal: 'lister', limit: 3 }
      const first = await ledger.list({ ...filter, after: null })
      const second = await ledger.list({ ...filter, after: first.at(-1)?.id ?? null })
      expect([...first, ...second].map((approval) => approval.id)).toEqual(
        made.map((approval) => approval.id).reverse(),
      )
      expect(await ledger.list({ ...filter, statuses: ['settled'], after: null })).toEqual([])
    })

    test('tells the versions of those that exist', async () => {
      const pending = await created()
      await ledger.save(step(pending, approveEvent(pending)))
      const { approval: unknown } = anApproval()
      expect(await ledger.versionsOf([pending.id, unknown.id])).toEqual(new Map([[pending.id, 2]]))
    })

    test('a record in a newer form is left alone by whatever names it, and its call gets no second approval', async () => {
      const call = uniqueCall()
      const pending = await created({ call })
      const { id, asked } = pending
      await setForm(id, NEWER)
      const unread = { id, form: NEWER, server: asked.server, requester: asked.requester }
      await expect(ledger.get(id)).rejects.toMatchObject({ name: 'NewerForm', unread })
      await expect(ledger.unsettledByAttachKey(asked.attachKey)).rejects.toThrow(NewerForm)
      const again = anApproval({ nowMs, call })
      await expect(ledger.create({ ...again, pendingPerPrincipalMax: PENDING_MAX })).rejects.toThrow(
        NewerForm,
      )
      expect(await ledger.get(again.approval.id)).toBeNull()
      // Whoever has read it before it was written anew, too.
      expect(await ledger.save(step(pending, approveEvent(pending)))).toBe(false)
      await ledger.noteUnsent(id, 'not ours to say')
      expect(await ledger.unsentReason(id)).toBeNull()
      await setForm(id, 1)
      expect((await ledger.get(id))?.approval).toEqual(pending)
    })

    test('the last settled one in a newer form stands in the way, instead of being overlooked', async () => {
      const pending = await created()
      const cancel = step(pending, { kind: 'cancel', by: 'jun', reason: null })
      await ledger.save(cancel)
      await setForm(pending.id, NEWER)
      await expect(ledger.lastSettledByAttachKey(pending.asked.attachKey)).rejects.toThrow(NewerForm)
      await expect(ledger.lastSettledByCallKey(pending.asked.callKey)).rejects.toThrow(NewerForm)
    })

    test('records in a newer form take no place among what is due, claimed, run alone or listed', async () => {
      const principal = { name: 'upgraded', owner: 'jun' }
      const made: Approval[] = []
      for (let n = 0; n < 6; n++) {
        const call = { ...uniqueCall(), principal }
        made.push(await created({ nowMs: nowMs - 1_000 + n, decisionMs: 500, call }))
      }
      const before = await ledger.newerForms(1_000)
      const [a, b, c] = made
      if (a === undefined || b === undefined || c === undefined) throw new Error('six were made')
      for (const { id } of [a, b, c]) await setForm(id, NEWER + 1)
      expect(await ledger.newerForms(1_000)).toEqual({ count: before.count + 3, form: NEWER + 1 })
      expect((await ledger.newerForms(2)).count).toBe(2)
      const readable = made.slice(3).map(({ id }) => id)
      const filter = { statuses: null, principal: 'upgraded', after: null }
      expect((await ledger.list({ ...filter, limit: 3 })).map(({ id }) => id)).toEqual(readable.toReversed())
      expect((await ledger.list({ ...filter, limit: 100 })).map(({ id }) => id)).toEqual(
        readable.toReversed(),
      )
      const due = await ledger.due(1_000)
      expect(due).toEqual(expect.arrayContaining(readable))
      expect(due).not.toContain(a.id)
      expect(await ledger.versionsOf([a.id])).toEqual(new Map([[a.id, 1]]))

      const pending = await created()
      const alone = { ...pending, asking: { ...pending.asking, onClientGone: 'execute' as const } }
      const approve = step(alone, approveEvent(alone))
      await ledger.save(approve)
      await setForm(pending.id, NEWER)
      expect(await ledger.runnableAlone(1_000, null)).not.toContain(pending.id)
      await setForm(pending.id, 1)
      expect(await ledger.runnableAlone(1_000, null)).toContain(pending.id)
      await ledger.save(step(approve.next, { kind: 'claim', node: 'upgraded node' }))
      await setForm(pending.id, NEWER)
      expect(await ledger.claimsOf('upgraded node')).toEqual([])
      expect(await ledger.due(1_000)).not.toContain(pending.id)
    })

    describe('grants', () => {
      const grants = {
        usesMax: 50,
        durationMsMax: 3_600_000,
        mayDiffer: [{ path: 'args.n', steps: ['n'], is: [] }],
      }
      const granting = (key: string, n: number) => ({
        nowMs,
        call: { arguments: { key, n } },
        asking: { grants },
      })
      let keys = 0
      /** A call that was approved with a grant, and calls that it covers, in a world of their own. */
      async function given(uses: number, covered: number, durationMs = 3_600_000) {
        const key = `grant ${++keys}`
        const first = await created(granting(key, 0))
        const give = step(first, { ...approveEvent(first), grant: { uses, durationMs } })
        expect(await ledger.save(give)).toBe(true)
        const grant = await ledger.grant(first.id)
        if (grant === null) throw new Error('no grant was written')
        const calls: Approval[] = []
        for (let n = 1; n <= covered; n++) calls.push(await created(granting(key, n)))
        const use = (one: Approval) =>
          step(one, { kind: 'use_grant', grant: { ...grant, used: 0, ended: null } })
        const used = async () => (await ledger.grant(first.id))?.used
        return { first: give.next, grant, calls, use, used }
      }

      test('is written with the yes, found by what it covers, and listed', async () => {
        const { first, grant } = await given(3, 0)
        const { requester, server, tool } = first.asked
        expect(grant).toMatchObject({
          id: first.id,
          server,
          tool,
          requester,
          by: 'mina',
          usesMax: 3,
          used: 0,
        })
        expect(grant).toMatchObject({ ended: null, isStopped: false, untilMs: nowMs + 3_600_000 })
        expect(await ledger.grantsFor(grant.scope, 10)).toEqual([grant])
        expect(await ledger.grantsFor('another', 10)).toEqual([])
        expect((await ledger.grants({ isStanding: true, limit: 1 }))[0]).toEqual(grant)
        expect((await ledger.get(first.id))?.approval).toEqual(first)
        expect(await ledger.grant(anApproval().approval.id)).toBeNull()
      })

      test('uses that are written at the same moment are counted exactly', async () => {
        const { grant, calls, use, used } = await given(3, 12)
        const saved = await Promise.all(calls.map((one) => ledger.save(use(one))))
        expect(saved.filter((isSaved) => isSaved)).toHaveLength(3)
        expect(await used()).toBe(3)
        expect(await ledger.usesOf(grant.id, 100)).toHaveLength(3)
        expect(await ledger.grantsFor(grant.scope, 10)).toEqual([])
        expect((await ledger.grants({ isStanding: true, limit: 100 })).map(({ id }) => id)).not.toContain(
          grant.id,
        )
        const states = await Promise.all(calls.map(async ({ id }) => (await ledger.get(id))?.approval.status))
        expect(states.filter((status) => status === 'approved')).toHaveLength(3)
      })

      test('what was not written counts nothing', async () => {
        const { calls, use, used } = await given(3, 1)
        const [one] = calls
        if (one === undefined) throw new Error('one was made')
        expect(await ledger.save({ ...use(one), deadline: { kind: 'before', atMs: nowMs - 1 } })).toBe(false)
        expect(await used()).toBe(0)
        expect(await ledger.save(use(one))).toBe(true)
        expect(await ledger.save(use(one))).toBe(false)
        expect(await used()).toBe(1)
      })

      test('a use goes back when it is certain that nothing was sent, and once', async () => {
        const { calls, use, used } = await given(3, 3)
        const [a, b, c] = calls
        if (a === undefined || b === undefined || c === undefined) throw new Error('three were made')
        const [first, second, third] = [use(a), use(b), use(c)]
        for (const each of [first, second, third]) expect(await ledger.save(each)).toBe(true)
        const withdraw = step(first.next, { kind: 'cancel', by: 'jun', reason: null })
        expect(await ledger.save(withdraw)).toBe(true)
        expect(await ledger.save(withdraw)).toBe(false)
        expect(await used()).toBe(2)
        const claims = [second, third].map(({ next }) => step(next, { kind: 'claim', node: 'n' }))
        for (const claim of claims) expect(await ledger.save(claim)).toBe(true)
        const [unsent, lost] = claims
        if (unsent === undefined || lost === undefined) throw new Error('two were claimed')
        expect(await ledger.save(step(unsent.next, { kind: 'fail_unsent', reason: 'refused' }))).toBe(true)
        expect(await used()).toBe(1)
        const track = step(lost.next, { kind: 'lose_track', reason: 'reset' })
        expect(await ledger.save(track)).toBe(true)
        const annotation = { finding: 'did_not_happen', by: 'mina', note: null } as const
        expect(await ledger.save(step(track.next, { kind: 'annotate', annotation }))).toBe(true)
        expect(await used()).toBe(1)
      })

      test('nothing is used or sent under one that was ended, whatever its reader knew', async () => {
        const { first, calls, use } = await given(3, 2)
        const [a, b] = calls
        if (a === undefined || b === undefined) throw new Error('two were made')
        const covered = use(a)
        expect(await ledger.save(covered)).toBe(true)
        const end = step(first, { kind: 'end_grant', by: 'jun', reason: null })
        expect(await ledger.save(end)).toBe(true)
        expect(await ledger.grant(first.id)).toMatchObject({ ended: { by: 'jun' }, used: 1 })
        expect(await ledger.save(use(b))).toBe(false)
        expect(await ledger.save(step(covered.next, { kind: 'claim', node: 'n' }))).toBe(false)
        expect((await ledger.get(covered.next.id))?.approval.status).toBe('approved')
      })

      test('of a use and the end at the same moment, either is first, and a claim only before it', async () => {
        for (let round = 0; round < 5; round++) {
          const { first, calls, use } = await given(5, 3)
          const end = step(first, { kind: 'end_grant', by: 'jun', reason: null })
          const saved = await Promise.all([...calls.map((one) => ledger.save(use(one))), ledger.save(end)])
          expect(saved.at(-1)).toBe(true)
          const used = saved.slice(0, -1).filter((isSaved) => isSaved).length
          expect((await ledger.grant(first.id))?.used).toBe(used)
          for (const one of calls) {
            const now = (await ledger.get(one.id))?.approval
            if (now?.status === 'approved')
              expect(await ledger.save(step(now, { kind: 'claim', node: 'n' }))).toBe(false)
          }
        }
      })

      test('it ends with the call that it was given with, if that is withdrawn', async () => {
        const { first, calls, use } = await given(3, 1)
        const [one] = calls
        if (one === undefined) throw new Error('one was made')
        expect(await ledger.save(step(first, { kind: 'cancel', by: 'jun', reason: null }))).toBe(true)
        expect(await ledger.save(use(one))).toBe(false)
      })

      test('it can be ended while its own call is being sent, which stays claimed', async () => {
        const { first } = await given(3, 0)
        const claim = step(first, { kind: 'claim', node: 'sending node' })
        expect(await ledger.save(claim)).toBe(true)
        const end = step(claim.next, { kind: 'end_grant', by: 'jun', reason: null })
        expect(await ledger.save(end)).toBe(true)
        expect(await ledger.claimsOf('sending node')).toContain(first.id)
        expect((await ledger.grant(first.id))?.ended?.by).toBe('jun')
      })

      test('it covers only what it was given for', async () => {
        const { grant } = await given(3, 0)
        const other = await created(granting('something else', 1))
        const forged = step(other, {
          ...{ kind: 'use_grant', grant: { ...grant, scope: grantScope(other) ?? '' } },
        })
        expect(await ledger.save(forged)).toBe(false)
        expect((await ledger.grant(grant.id))?.used).toBe(0)
      })
    })

    describe('what ends when its requester is gone', () => {
      const leaving = { asking: { onClientGone: 'cancel' } } as const
      const isFound = async (id: ApprovalId, ms = 0) => (await ledger.abandoned(ms, 1_000)).includes(id)
      /** The first look notes that nobody waits. */
      const isFoundAtLast = async (id: ApprovalId, ms = 0) => {
        await ledger.abandoned(ms, 1_000)
        return isFound(id, ms)
      }

      const end = async (id: ApprovalId, goneForMs = 0) => {
        const reading = await ledger.get(id)
        if (reading === null) throw new Error('it was made')
        const change = step(reading.approval, { kind: 'cancel', by: 'rule', reason: null })
        return ledger.save({ ...change, goneForMs })
      }
      beforeEach(() => ledger.renewLease('patient', 3_600_000))

      test('is found once nobody has waited for so long, counted from the first look', async () => {
        const { id } = await created(leaving)
        expect(await isFound(id)).toBe(false)
        expect(await isFound(id, 3_600_000)).toBe(false)
        expect(await isFound(id)).toBe(true)
      })

      test('is not found while somebody waits, and a short return begins the time anew', async () => {
        const { id } = await created(leaving)
        const waiter = await ledger.addWaiter(id, 'patient')
        expect(await isFoundAtLast(id)).toBe(false)
        await ledger.removeWaiter(waiter)
        expect(await isFoundAtLast(id)).toBe(true)
        await ledger.removeWaiter(await ledger.addWaiter(id, 'patient'))
        expect(await isFound(id)).toBe(false)
      })

      test('is ended only if nobody has come back since it was found', async () => {
        const awaited = await created(leaving)
        expect(await end(awaited.id)).toBe(false)
        expect(await isFoundAtLast(awaited.id)).toBe(true)
        const waiter = await ledger.addWaiter(awaited.id, 'patient')
        expect(await end(awaited.id)).toBe(false)
        await ledger.removeWaiter(waiter)
        // It was there for a moment: the time begins anew, also for who had found it before.
        expect(await end(awaited.id)).toBe(false)
        expect(await isFoundAtLast(awaited.id)).toBe(true)
        expect(await end(awaited.id, 3_600_000)).toBe(false)
        expect(await end(awaited.id)).toBe(true)
      })

      test('whoever comes back in the same moment keeps it, or finds that it has ended', async () => {
        for (let round = 0; round < 20; round++) {
          const { id } = await created(leaving)
          expect(await isFoundAtLast(id)).toBe(true)
          const ending = end(id)
          const seen = ledger.addWaiter(id, 'patient').then(() => ledger.get(id))
          const [isEnded, after] = await Promise.all([ending, seen])
          expect(after?.approval.status).toBe(isEnded ? 'settled' : 'pending')
        }
      })

      test('no time counts in which no gateway was there to come back to', async () => {
        for (const node of ['patient', 'keeper', 'first', 'second']) await ledger.dropLease(node)
        const minute = 60_000
        const { id } = await created(leaving)
        await ledger.renewLease('only', 1.5 * minute)
        expect(await isFound(id, minute)).toBe(false)
        await pass(minute)
        expect(await isFound(id, minute)).toBe(true)
        await pass(minute)
        expect(await isFound(id, minute)).toBe(false)
        expect(await end(id, minute)).toBe(false)
        await ledger.renewLease('only', 1.5 * minute)
        expect(await isFound(id, minute)).toBe(false)
        expect(await end(id, minute)).toBe(false)
        await pass(minute / 2)
        await ledger.renewLease('only', 1.5 * minute)
        expect(await isFound(id, minute)).toBe(false)
        await pass(minute / 2)
        expect(await isFound(id, minute)).toBe(true)
        expect(await end(id, minute)).toBe(true)
        await ledger.dropLease('only')
      })

      test('what a person asked for again waits until its deadline', async () => {
        const { id } = await created()
        const { approval, audit } = anApproval({ nowMs, call: uniqueCall(), ...leaving })
        const predecessor = { id, difference: 'nobody knows', why: 'unknown_end' } as const
        await ledger.create({
          ...{ approval: { ...approval, predecessor }, audit, pendingPerPrincipalMax: PENDING_MAX },
        })
        expect(await isFoundAtLast(approval.id)).toBe(false)
      })

      test('whom a gateway holds that is not heard of is there, until it is taken to have died with them', async () => {
        const { id } = await created(leaving)
        await ledger.renewLease('cut off', 1_000)
        await ledger.addWaiter(id, 'cut off')
        await pass(60_000)
        expect(await ledger.hasLiveLease('cut off')).toBe(false)
        expect(await ledger.waitingNodes(id)).toEqual([])
        expect(await isFoundAtLast(id)).toBe(false)
        expect(await end(id)).toBe(false)
        await pass(UNHEARD_MS)
        expect(await isFoundAtLast(id)).toBe(true)
        expect(await end(id)).toBe(true)
      })

      test('who leaves a gateway, and whom one lets go that stops, are gone at once', async () => {
        const [left, released] = [await created(leaving), await created(leaving)]
        await ledger.renewLease('stopping', 1_000)
        await ledger.removeWaiter(await ledger.addWaiter(left.id, 'stopping'))
        await ledger.addWaiter(released.id, 'stopping')
        expect(await isFoundAtLast(left.id)).toBe(true)
        await ledger.dropLease('stopping')
        expect(await isFoundAtLast(released.id)).toBe(true)
      })

      test('whom a dead gateway held is gone as well', async () => {
        const { id } = await created(leaving)
        await ledger.addWaiter(id, 'never had a lease')
        expect(await isFoundAtLast(id)).toBe(true)
      })

      test('an approved one is found, one that is over, of another rule or of a newer form is not', async () => {
        const approved = await created(leaving)
        await ledger.save(step(approved, approveEvent(approved)))
        const over = await created(leaving)
        await ledger.save(step(over, { kind: 'cancel', by: 'jun', reason: null }))
        const patient = await created()
        const newer = await created(leaving)
        await setForm(newer.id, NEWER)
        expect(await isFoundAtLast(approved.id)).toBe(true)
        for (const { id } of [over, patient, newer]) expect(await isFoundAtLast(id)).toBe(false)
      })
    })

    describe('what no gateway serves any more', () => {
      const hour = 3_600_000
      let servers = 0
      const isFound = async (id: ApprovalId, ms = hour) => (await ledger.unserved(ms, 1_000)).includes(id)
      /** One gateway is there for ten hours, and has these servers. */
      async function there(...has: string[]): Promise<void> {
        await ledger.renewLease('here', 10 * hour)
        await ledger.noteServing('here', has)
      }
      async function asked() {
        const server = `server-${++servers}`
        return { server, ...(await created({ call: { ...uniqueCall(), server } })) }
      }
      // Whoever was there before is gone.
      beforeEach(() => pass(20 * hour))

      test('is found when its server was served, and for so long is not', async () => {
        const { id, server } = await asked()
        await there(server)
        await pass(hour)
        expect(await isFound(id, 2 * hour)).toBe(false)
        expect(await isFound(id)).toBe(true)
        await there(server)
        expect(await isFound(id)).toBe(false)
        await pass(hour)
        await there()
        expect(await isFound(id)).toBe(true)
      })

      test('of a server that nobody ever had the time counts from the first look', async () => {
        const { id } = await asked()
        await there()
        expect(await isFound(id)).toBe(false)
        await pass(hour / 2)
        await there()
        await pass(hour / 2)
        expect(await isFound(id)).toBe(true)
      })

      test('is not found after an outage of all gateways, until one has been there for so long', async () => {
        const { id, server } = await asked()
        await there(server)
        await pass(20 * hour)
        await there()
        expect(await isFound(id)).toBe(false)
        await pass(hour)
        expect(await isFound(id)).toBe(true)
      })

      test('is not found while a gateway is there that does not say what it has', async () => {
        const { id } = await asked()
        await there()
        await pass(hour)
        await ledger.renewLease('older', hour)
        expect(await isFound(id)).toBe(false)
        await ledger.noteServing('older', [])
        expect(await isFound(id)).toBe(true)
      })

      test('is not found while somebody waits for it', async () => {
        const { id } = await asked()
        await there()
        await pass(hour)
        const waiter = await ledger.addWaiter(id, 'here')
        expect(await isFound(id)).toBe(false)
        await ledger.removeWaiter(waiter)
        expect(await isFound(id)).toBe(true)
      })

      test('is not found when it is over, or in a newer form', async () => {
        const [over, newer] = [await asked(), await asked()]
        const reading = await ledger.get(over.id)
        if (reading === null) throw new Error('it was made')
        await ledger.save(step(reading.approval, { kind: 'cancel', by: 'jun', reason: null }))
        await setForm(newer.id, NEWER)
        await there()
        await pass(hour)
        expect(await isFound(over.id)).toBe(false)
        expect(await isFound(newer.id)).toBe(false)
      })
    })

    // Hours go by.
    test('who was taken for dead is told which of its waiters were swept, and adds them anew', async () => {
      const { id } = await created()
      await ledger.renewLease('cut off', 10_000)
      const row = await ledger.addWaiter(id, 'cut off')
      expect(await ledger.keepWaiters('cut off', [row])).toEqual([])
      await pass(2 * 60 * 60_000)
      await ledger.renewLease('another', 60_000)
      await ledger.renewLease('cut off', 60_000)
      expect(await ledger.waitingNodes(id)).toEqual([])
      expect(await ledger.keepWaiters('cut off', [row])).toEqual([row])
      const anew = await ledger.addWaiter(id, 'cut off')
      expect(await ledger.keepWaiters('cut off', [anew])).toEqual([])
      expect(await ledger.waitingNodes(id)).toEqual(['cut off'])
    })

    test('a waiter of a node that has given its lease back already is swept in the end', async () => {
      const { id } = await created()
      await ledger.renewLease('leaving', 60_000)
      await ledger.dropLease('leaving')
      await ledger.addWaiter(id, 'leaving')
      await ledger.renewLease('another', 60_000)
      await ledger.renewLease('leaving', 60_000)
      expect(await ledger.waitingNodes(id)).toEqual(['leaving'])
      await ledger.dropLease('leaving')
      await ledger.addWaiter(id, 'leaving')
      await pass(2 * 60 * 60_000)
      await ledger.renewLease('another', 60_000)
      await ledger.renewLease('leaving', 60_000)
      expect(await ledger.waitingNodes(id)).toEqual([])
    })
  })
}
