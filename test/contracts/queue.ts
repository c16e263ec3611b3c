/** What every queue must do, on Redis as on PostgreSQL. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ApprovalId } from '../../src/domain/approval-id.ts'
import { silentLog } from '../../src/launch/log.ts'
import { type JobStore, type JobStoreAddress, openJobStore } from '../../src/queue/job-store.ts'
import { createQueue, createWorkers } from '../../src/queue/queues.ts'
import { aTicket } from '../support/builders.ts'

export function queueContract(name: string, open: () => Promise<JobStoreAddress>): void {
  describe(`${name} as a queue`, () => {
    let store: JobStore
    let queue: Awaited<ReturnType<typeof createQueue>>
    let workers: ReturnType<typeof createWorkers>
    const attended: ApprovalId[] = []
    const executed: ApprovalId[] = []
    const failOnce = new Set<ApprovalId>()

    beforeAll(async () => {
      store = await openJobStore(await open(), silentLog)
      queue = await createQueue(store)
      workers = createWorkers(store, silentLog)
      workers.attend(async (id) => {
        attended.push(id)
        if (failOnce.delete(id)) throw new Error('once')
      })
      workers.execute(async (id) => {
        executed.push(id)
      })
    })
    afterAll(async () => {
      await workers.close()
      await queue.close()
      await store.close()
    })

    const times = (ids: readonly ApprovalId[], id: ApprovalId) => ids.filter((other) => other === id).length

    test('an alarm rings after its delay, once, however often it was set', async () => {
      const id = aTicket()
      await Promise.all([queue.setAlarm(id, 1, 300), queue.setAlarm(id, 1, 300), queue.setAlarm(id, 1, 300)])
      expect(attended).not.toContain(id)
      await expect.poll(() => times(attended, id), { timeout: 10_000 }).toBe(1)
    })

    test('each version has an alarm of its own, and a finished one does not block its id', async () => {
      const id = aTicket()
      await queue.setAlarm(id, 1, 0)
      await queue.setAlarm(id, 2, 0)
      await expect.poll(() => times(attended, id), { timeout: 10_000 }).toBe(2)
      await expect
        .poll(
          async () => {
            await queue.setAlarm(id, 1, 0)
            return times(attended, id)
          },
          { timeout: 10_000 },
        )
        .toBeGreaterThan(2)
    })

    test('a handler that fails is tried again', async () => {
      const id = aTicket()
      failOnce.add(id)
      await queue.setAlarm(id, 1, 0)
      await expect.poll(() => times(attended, id), { timeout: 10_000 }).toBe(2)
    })

    test('an approved call reaches a gateway', async () => {
      const id = aTicket()
      await queue.requestExecution(id, 2)
      await expect.poll(() => times(executed, id), { timeout: 10_000 }).toBe(1)
      expect(attended).not.toContain(id)
    })
  })
}
