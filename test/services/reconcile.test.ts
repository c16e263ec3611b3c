/** Cards are drawn behind the queue, one by one: a record that this process cannot read keeps no other card waiting. */
import { expect, test } from 'vitest'
import type { ApprovalId } from '../../src/domain/approval-id.ts'
import { clock } from '../../src/launch/clock.ts'
import { silentLog } from '../../src/launch/log.ts'
import { keepReconciling } from '../../src/services/deliver.ts'
import { anApproval, aTicket } from '../support/builders.ts'

test('a record of another version is left alone, and the cards behind it are drawn', async () => {
  const unreadable = aTicket()
  const readable = aTicket()
  const stopping = new AbortController()
  const drawn = new Set<ApprovalId>()
  await keepReconciling({
    ledger: {
      async get(id) {
        if (id === unreadable) throw new Error('a record of form 99')
        return { approval: { ...anApproval().approval, id }, nowMs: 0 }
      },
      waitingNodes: async () => [],
      grant: async () => null,
    },
    cards: {
      take: async () => ({ place: null, turn: '1', shownVersion: 0, shownWaiting: null, shownGrant: null }),
      async shown(id) {
        drawn.add(id)
        stopping.abort()
      },
      giveBack: async () => {},
      approvalAt: async () => null,
      outdated: async () => [unreadable, readable],
    },
    channels: [
      {
        name: 'slack',
        show: async () => ({ place: 'here', renderDigest: '' }),
        tell: async () => true,
        nudge: async () => [],
      },
    ],
    clock,
    stopping: stopping.signal,
    log: silentLog,
  })
  expect([...drawn]).toEqual([readable])
})
