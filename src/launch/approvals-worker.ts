/** The approvals role in a process of its own: expires, lapses and settles what is due, and cancels what is stopped. */
import { createAttend } from '../services/attend.ts'
import { createCancelStopped, keepStopped } from '../services/cancel-stopped.ts'
import { createAnnounce, createChange } from '../services/change.ts'
import { keepWatch } from '../services/watch.ts'
import { createWithdrawGone, keepWithdrawingGone } from '../services/withdraw-gone.ts'
import { clock } from './clock.ts'
import { type Decorate, undecorated } from './decorate.ts'
import { type Begin, runWorker } from './worker.ts'

export const runApprovals = (decorate: Decorate = undecorated): Promise<void> =>
  runWorker('approvals', attendApprovals, decorate)

const attendApprovals: Begin = async ({ config, stores, log, stopping }) => {
  const { store, queue, workers } = stores
  const { ledger, stops, wakeUps } = store
  const { timings } = config
  const announce = createAnnounce({ queue, wakeUps, hasChannels: config.channels.slack !== null, log })
  const change = createChange({ ledger, announce, timings, log })
  const attend = createAttend({ ledger, change })
  const withdrawGone = createWithdrawGone({ ledger, change, timings, log })
  const cancelStopped = createCancelStopped({ ledger, stops, change, log })
  workers.attend(attend)
  const loop = { clock, timings, stopping, log }
  return {
    ended: Promise.all([
      keepWatch({ ...loop, ledger, attend }),
      keepStopped({ ...loop, cancelStopped, stops }),
      keepWithdrawingGone({ ...loop, withdrawGone }),
    ]),
  }
}
