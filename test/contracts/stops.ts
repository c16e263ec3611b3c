/** What every ledger must do about stops, and about the approvals that they cover. */
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Approval } from '../../src/domain/approval.ts'
import { auditEvent } from '../../src/domain/audit.ts'
import type { Principal } from '../../src/domain/principal.ts'
import { everything, type StopScope } from '../../src/domain/stop.ts'
import { defaultTimings as timings } from '../../src/domain/timings.ts'
import { type ApprovalEvent, transition } from '../../src/domain/transition.ts'
import type { Ledger } from '../../src/ports/ledger.ts'
import type { Stops } from '../../src/ports/stops.ts'
import { anApproval, approveEvent } from '../support/builders.ts'

let names = 0

function rejectEvent(approval: Approval): ApprovalEvent {
  const { decision } = approveEvent(approval)
  return { kind: 'decide', decision: { ...decision, kind: 'reject' } }
}

export function stopsContract(name: string, open: () => Promise<{ ledger: Ledger; stops: Stops }>): void {
  describe(`${name}: stops`, () => {
    let ledger: Ledger
    let stops: Stops
    let nowMs: number
    beforeAll(async () => {
      ;({ ledger, stops } = await open())
      nowMs = await ledger.nowMs()
    })
    afterEach(async () => {
      for (const { number } of await stops.inForce()) await stops.lift(number, 'mina')
    })

    const aServer = () => `server-${++names}`
    async function stop(scope: Partial<StopScope>, reason = 'it runs wild'): Promise<number> {
      const put = await stops.put({ scope: { ...everything, ...scope }, reason, by: 'mina' })
      if (put === null) throw new Error('too many')
      return put.stop.number
    }
    async function created(server: string, tool = 'delete_repository', principal?: Principal) {
      const wish = { server, tool, arguments: { server } }
      const call = principal === undefined ? wish : { ...wish, principal }
      const { approval, audit } = anApproval({ nowMs, call })
      await ledger.create({ approval, audit, pendingPerPrincipalMax: 1_000 })
      return approval
    }
    function step(previous: Approval, event: ApprovalEvent) {
      const result = transition(previous, event, nowMs, timings)
      if (!result.ok) throw new Error(JSON.stringify(result.error))
      const audit = auditEvent(previous.auditHead, event, result.value.next, nowMs)
      const next: Approval = { ...result.value.next, auditHead: audit.hash }
      return { previous, next, audit, deadline: result.value.deadline, replyText: null }
    }
    async function approved(server: string) {
      const pending = await created(server, 'approved_tool')
      const approve = step(pending, approveEvent(pending))
      await ledger.save(approve)
      return approve.next
    }
    const stoppedIds = async () => (await ledger.stopped(100)).map(({ id }) => id)

    test('gives back what was put, also Korean, oldest first, and the history newest first', async () => {
      const scope = { server: aServer(), tool: 'nworks_logout', agent: '봇 "하나"', owner: 'jun' }
      const first = await stop(scope, '로그아웃이 멈추지 않아요')
      const second = await stop(everything)
      expect(await stops.inForce()).toEqual([
        {
          ...{ number: first, scope, reason: '로그아웃이 멈추지 않아요', by: 'mina', lifted: null },
          atMs: expect.any(Number),
        },
        expect.objectContaining({ number: second, scope: everything }),
      ])
      const [newest] = await stops.history(1, null)
      expect(newest?.number).toBe(second)
      const [before] = await stops.history(1, second)
      expect(before?.number).toBe(first)
    })

    test('the same stop put again, also at once, is the one that is in force', async () => {
      const scope = { ...everything, agent: 'bot' }
      const wish = { scope, reason: 'again', by: 'jun' }
      const puts = await Promise.all([stops.put(wish), stops.put(wish), stops.put(wish)])
      expect(puts.filter((put) => put?.isNew)).toHaveLength(1)
      expect(new Set(puts.map((put) => put?.stop.number)).size).toBe(1)
      expect(await stops.inForce()).toHaveLength(1)
    })

    test('is lifted once, keeps who did it, and can be put anew', async () => {
      const number = await stop({ agent: 'bot' })
      expect(await stops.lift(number + 1_000_000, 'jun')).toBeNull()
      expect(await stops.lift(number, 'jun')).toMatchObject({
        number,
        lifted: { by: 'jun', atMs: expect.any(Number) },
      })
      expect(await stops.lift(number, 'mina')).toBeNull()
      expect(await stops.inForce()).toEqual([])
      expect((await stops.history(1, null))[0]).toMatchObject({ number, lifted: { by: 'jun' } })
      expect(await stop({ agent: 'bot' })).toBeGreaterThan(number)
    })

    test('tells who listens when something is stopped and when it is lifted', async () => {
      let told = 0
      const stopListening = stops.onChange(() => {
        told++
      })
      const number = await stop({ agent: 'bot' })
      await expect.poll(() => told).toBeGreaterThan(0)
      // Earlier ones may still arrive; this one is the last.
      const before = told
      await stops.lift(number, 'mina')
      await expect.poll(() => told).toBeGreaterThan(before)
      stopListening()
    })

    test('a stop covers the open calls that it says, and no others', async () => {
      const [here, there] = [aServer(), aServer()]
      const bot = { name: `bot-${here}`, owner: 'jun' }
      const twin = { name: bot.name, owner: 'mina' }
      const [a, b, c, d] = [
        await created(here, 'read_file', bot),
        await created(here, 'drop_table', bot),
        await created(there, 'drop_table', bot),
        await created(there, 'read_file', twin),
      ]
      const expectations: readonly [Partial<StopScope>, readonly Approval[]][] = [
        [{ server: here }, [a, b]],
        [{ server: here, tool: 'drop_table' }, [b]],
        [{ agent: bot.name }, [a, b, c, d]],
        [{ agent: bot.name, owner: 'jun' }, [a, b, c]],
        [{ agent: bot.name, server: there }, [c, d]],
        [{ agent: bot.name, owner: 'mina', server: there, tool: 'drop_table' }, []],
      ]
      for (const [scope, covered] of expectations) {
        const number = await stop(scope)
        expect(await stoppedIds()).toEqual(covered.map(({ id }) => id))
        await stops.lift(number, 'mina')
      }
      const first = await stop({ agent: bot.name })
      await stop(everything)
      expect(await ledger.stopped(1)).toEqual([{ id: a.id, stop: first }])
    })

    test('what is being sent or has ended is not cancelled', async () => {
      const server = aServer()
      const yes = await approved(server)
      const claimed = step(yes, { kind: 'claim', node: 'a' })
      expect(await ledger.save(claimed)).toBe(true)
      await stop({ server })
      expect(await stoppedIds()).toEqual([])
      expect(await ledger.save(step(claimed.next, { kind: 'fail_unsent', reason: 'no way' }))).toBe(true)
      expect(await stoppedIds()).toEqual([])
    })

    test('no yes and no claim is written for a stopped call; a no and a withdrawal are', async () => {
      const server = aServer()
      const [pending, other, yes] = [
        await created(server),
        await created(server, 'other'),
        await approved(server),
      ]
      const number = await stop({ server })
      expect(await ledger.save(step(pending, approveEvent(pending)))).toBe(false)
      expect(await ledger.save(step(yes, { kind: 'claim', node: 'a' }))).toBe(false)
      expect(await ledger.auditTrail(pending.id)).toHaveLength(1)
      expect(await ledger.save(step(other, rejectEvent(other)))).toBe(true)
      await stops.lift(number, 'mina')
      expect(await ledger.save(step(yes, { kind: 'claim', node: 'a' }))).toBe(true)
      expect(await ledger.save(step(pending, { kind: 'cancel', by: 'jun', reason: null }))).toBe(true)
    })

    test('a claim in the moment of a stop comes before it, or not at all', async () => {
      for (let round = 0; round < 20; round++) {
        const server = aServer()
        const yes = await approved(server)
        let isStopped = false
        const wasStoppedFirst = await Promise.all([
          ledger.save(step(yes, { kind: 'claim', node: 'a' })),
          stop({ server }).then(() => {
            isStopped = true
          }),
        ]).then(([isClaimed]) => !isClaimed)
        expect(isStopped).toBe(true)
        const status = (await ledger.get(yes.id))?.approval.status
        expect(status).toBe(wasStoppedFirst ? 'approved' : 'executing')
        // Whoever comes after the stop has returned is certainly refused.
        const late = await created(server, 'late')
        expect(await ledger.save(step(late, approveEvent(late)))).toBe(false)
      }
    })
  })
}
