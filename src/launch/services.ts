/** Puts the services of one process together, on the ledger and queue it was given. */
import type { Limits } from '../domain/limits.ts'
import type { OnClientGone } from '../domain/policy/rule.ts'
import type { Timings } from '../domain/timings.ts'
import type { Clock } from '../ports/clock.ts'
import type { Counters } from '../ports/counters.ts'
import type { Directory } from '../ports/directory.ts'
import type { Ledger } from '../ports/ledger.ts'
import type { Log } from '../ports/log.ts'
import type { Queue } from '../ports/queue.ts'
import type { Random } from '../ports/random.ts'
import type { Stops } from '../ports/stops.ts'
import type { WakeUps } from '../ports/wake-ups.ts'
import { createAsk } from '../services/ask.ts'
import { createAttend } from '../services/attend.ts'
import { createAwaitOutcome } from '../services/await-outcome.ts'
import { createCancelStopped } from '../services/cancel-stopped.ts'
import { createAnnounce, createChange } from '../services/change.ts'
import { createPeople } from '../services/decide.ts'
import { createFindEarlier } from '../services/earlier-call.ts'
import { createExecute } from '../services/execute.ts'
import { createGrants } from '../services/grants.ts'
import { createJudge, createJudgeBy, createJudgeNow } from '../services/judge.ts'
import { createLimiter } from '../services/limits.ts'
import { createLookUp } from '../services/look-up.ts'
import { createOwnCalls } from '../services/own-calls.ts'
import { createPollers } from '../services/pollers.ts'
import type { RecordVerdict } from '../services/record-verdicts.ts'
import { createRejudge } from '../services/rejudge.ts'
import { createResume, type OpenAlone } from '../services/resume.ts'
import type { RulesInForce } from '../services/rules-in-force.ts'
import { createUseGrant } from '../services/use-grant.ts'
import { createVoidUnserved } from '../services/void-unserved.ts'
import { createWaiters } from '../services/waiters.ts'
import type { Lease } from '../services/watch.ts'
import { createWithdrawGone } from '../services/withdraw-gone.ts'

export interface ServicesDeps {
  readonly ledger: Ledger
  readonly counters: Counters
  readonly queue: Queue
  readonly wakeUps: WakeUps
  readonly rules: Pick<RulesInForce, 'of' | 'now' | 'facts' | 'quarantineOf' | 'isAccepted'>
  /** For look-ups; verdicts about agents' calls are recorded at the gate. */
  readonly recordVerdict: RecordVerdict
  readonly stops: Stops
  readonly hasChannels: boolean
  readonly node: string
  readonly timings: Timings
  readonly limits: Limits
  /** For calls that may run without their requester. */
  readonly openAlone: OpenAlone
  readonly stopping: AbortSignal
  readonly clock: Clock
  readonly random: Random
  readonly lease: Lease
  readonly directory: Directory
  onClientGoneOf(agent: string): OnClientGone | null
  readonly log: Log
}

export function createServices(deps: ServicesDeps) {
  const { ledger } = deps
  const announce = createAnnounce(deps)
  const change = createChange({ ...deps, announce })
  const waiters = createWaiters()
  // One listener for all held requests, instead of one for each.
  deps.stopping.addEventListener('abort', () => waiters.wakeAll(), { once: true })
  const limiter = createLimiter(deps)
  const judge = createJudge(deps)
  const rejudge = createRejudge({ ...deps, announce, judgeNow: createJudgeNow(deps) })
  const execute = createExecute({ ...deps, change, rejudge, limiter })
  const resume = createResume({ ...deps, waiters, execute })
  const awaitOutcome = createAwaitOutcome({ ...deps, waiters, resume })
  const lookUp = createLookUp({ ...deps, change, judge })
  return {
    lookUp,
    findEarlier: createFindEarlier(deps),
    ask: createAsk({ ...deps, announce, limiter, lookUp, useGrant: createUseGrant({ ...deps, change }) }),
    attend: createAttend({ ledger, change }),
    change,
    awaitOutcome,
    cancelStopped: createCancelStopped({ ...deps, change }),
    withdrawGone: createWithdrawGone({ ...deps, change }),
    voidUnserved: createVoidUnserved({ ...deps, change }),
    ownCalls: createOwnCalls({ ...deps, change }),
    people: createPeople({ ...deps, announce, change, judge, rejudge }),
    pollers: createPollers({ ...deps, awaitOutcome }),
    grants: createGrants({ ...deps, change, rejudge }),
    judge,
    judgeBy: createJudgeBy(deps),
    rejudge,
    resume,
    waiters,
  }
}
