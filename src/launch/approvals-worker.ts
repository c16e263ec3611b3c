/** The approvals role in a process of its own: expires, lapses and settles what is due, when an alarm rings or the loop finds it. */
import { createAttend } from '../services/attend.ts'
import { createAnnounce, createChange } from '../services/change.ts'
import { keepWatch } from '../services/watch.ts'
import { clock } from './clock.ts'
import { type Decorate, undecorated } from './decorate.ts'
import { type Begin, runWorker } from './worker.ts'

export const runApprovals = (decorate: Decorate = undecorated): Promise<void> =>
  runWorker('approvals', attendApprovals, decorate)

const attendApprovals: Begin = async ({ config, stores, log, stopping }) => {
  const { store, queue, workers } = stores
  const { ledger, wakeUps } = store
  const { timings } = config
  const announce = createAnnounce({ queue, wakeUps, hasChannels: config.channels.slack !== null, log })
  const attend = createAttend({ ledger, change: createChange({ ledger, announce, timings, log }) })
  workers.attend(attend)
  return { ended: keepWatch({ ledger, attend, clock, timings, stopping, log }) }
}
