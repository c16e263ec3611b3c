/** The deliveries role: draws the cards of approvals wherever people are asked. Cards that could not be drawn follow by themselves. */
import { createDirectory } from '../auth/directory.ts'
import { createAttend } from '../services/attend.ts'
import { createAnnounce, createChange } from '../services/change.ts'
import { createDeliver, keepReconciling } from '../services/deliver.ts'
import { createPostNudges, keepNudging } from '../services/nudge.ts'
import { createTell, keepTelling } from '../services/tell.ts'
import { keepWatch } from '../services/watch.ts'
import { clock } from './clock.ts'
import { type Decorate, undecorated } from './decorate.ts'
import { openSlackChannel } from './slack.ts'
import { type Begin, runWorker } from './worker.ts'

/** In a process of its own. */
export const runDeliveries = (decorate: Decorate = undecorated): Promise<void> =>
  runWorker('deliveries', deliverAndWatch, decorate)

/** Where it is all that is left, what is due is attended here: nobody is shown a call as waiting whose time is over. */
const deliverAndWatch: Begin = async (parts) => {
  const { config, stores, log, stopping } = parts
  const { store, queue } = stores
  const { ledger, wakeUps } = store
  const { timings } = config
  const announce = createAnnounce({ queue, wakeUps, hasChannels: config.channels.slack !== null, log })
  const attend = createAttend({ ledger, change: createChange({ ledger, announce, timings, log }) })
  const { ended } = await beginDeliveries(parts)
  return { ended: Promise.all([ended, keepWatch({ ledger, attend, clock, timings, stopping, log })]) }
}

export const beginDeliveries: Begin = async ({ config, stores, decorate, log, stopping }) => {
  const { store, workers } = stores
  const { ledger, cards, notices, nudges } = store
  // Gateways order deliveries as soon as a channel is named; whoever has this role takes them off the queue.
  if (config.channels.slack === null) return { ended: Promise.resolve() }
  const directory = createDirectory(config.people)
  const slack = await openSlackChannel({ config, store, directory, log })
  const deps = { ledger, cards, channels: slack === null ? [] : [decorate.channel(slack)], log }
  const deliver = createDeliver(deps)
  const tell = createTell({ ...deps, notices })
  const nudging = { ...deps, nudges, directory }
  const postNudges = createPostNudges(nudging)
  workers.deliver(async function deliverAndTell(id) {
    await deliver(id)
    await tell(id)
    await postNudges(id)
  })
  const loop = { clock, stopping }
  return {
    ended: Promise.all([
      keepReconciling({ ...deps, ...loop }),
      keepTelling({ ...deps, notices, ...loop }),
      keepNudging({ ...nudging, ...loop }),
    ]),
  }
}
