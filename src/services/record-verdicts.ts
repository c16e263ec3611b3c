/**
 * Takes down every verdict of the gate, for the decision log. `record` costs a call next to nothing, waits for nothing and
 * never throws; what it took down is written in batches, and what does not fit is dropped, oldest first, and counted.
 */
import type { JsonObject, JsonValue } from '../domain/canonical.ts'
import type { Limits } from '../domain/limits.ts'
import type { Principal } from '../domain/principal.ts'
import {
  DIGESTED_BYTES_MAX,
  keptArguments,
  keysOf,
  paramsDigest,
  type RecordedKind,
  type RecordedLookUp,
  type RecordedVerdict,
  roughBytes,
} from '../domain/recorded-verdict.ts'
import { unknownTool } from '../domain/risk.ts'
import type { Timings } from '../domain/timings.ts'
import type { Clock } from '../ports/clock.ts'
import type { DecisionLog } from '../ports/decision-log.ts'
import { LedgerAway } from '../ports/ledger-faults.ts'
import type { Log } from '../ports/log.ts'
import type { Rules } from '../ports/rules.ts'

export interface ToRecord {
  readonly server: string
  readonly tool: string
  readonly principal: Principal
  /** Of the call, as they came. */
  readonly params: JsonObject
  readonly session: string | null
  readonly verdict: RecordedKind
  readonly rule: string | null
  readonly asIf: RecordedVerdict['asIf']
  readonly revision: number
  readonly atMs: number
  readonly judgedInMs: number
  readonly lookUp?: RecordedLookUp
}

export type RecordVerdict = (verdict: ToRecord) => void

export interface VerdictRecorder {
  readonly record: RecordVerdict
  /** What is missing in the log, in words; `null`: nothing lately. */
  gap(): string | null
  /** Writes and sweeps until `stopping` aborts, and then writes what is left, once; never rejects. */
  keep(stopping: AbortSignal): Promise<void>
}

interface Waiting {
  readonly taken: ToRecord
  /** `null`: too large to be looked at. */
  readonly params: JsonObject | null
  readonly bytes: number
}

/** Verdicts that wait to be written: some seconds of a busy gateway, and what a short outage of the ledger brings. */
const WAITING_MAX = 10_000
/** Their arguments, in memory until they are digested. */
const WAITING_BYTES_MAX = 16 * 1024 * 1024
const BATCH_MAX = 500
/** Soon enough to be found by somebody who tries something, seldom enough to be written in batches. */
const WRITE_EVERY_MS = 1_000
/** Digesting this much takes about a millisecond; then everybody else has a turn. */
const DIGESTED_AT_ONCE_BYTES = 32 * 1024
/** Gateways sweep at different times by themselves; a round that finds nothing is one look at two indexes. */
const SWEEP_EVERY_MS = 60_000
const SWEPT_MAX = 5_000
/** What was lost longer ago than this is in the log of the process, and no news. */
const GAP_SHOWN_MS = 15 * 60_000

export function createVerdictRecorder(deps: {
  decisionLog: Pick<DecisionLog, 'add' | 'sweep'>
  rules: Pick<Rules, 'facts'>
  recordsArguments: (server: string) => boolean
  timings: Pick<Timings, 'keepDecisionsMs'>
  limits: Pick<Limits, 'decisionsMax'>
  clock: Clock
  log: Log
}): VerdictRecorder {
  const { decisionLog, rules, recordsArguments, timings, limits, clock, log } = deps
  let waiting: Waiting[] = []
  let waitingBytes = 0
  /** A batch that is being written. */
  let ready: readonly RecordedVerdict[] = []
  let dropped = 0
  let droppedAtMs = 0
  let isAway = false
  let sweptAtMs = Number.NEGATIVE_INFINITY

  function record(taken: ToRecord): void {
    try {
      const bytes = roughBytes(taken.params, DIGESTED_BYTES_MAX)
      const isSmall = bytes < DIGESTED_BYTES_MAX
      const params = isSmall ? taken.params : null
      waiting.push({ taken: { ...taken, params: {} }, params, bytes: isSmall ? bytes : 0 })
      waitingBytes += isSmall ? bytes : 0
      // In pieces, because to take from the front of a list moves all the rest.
      if (waiting.length > WAITING_MAX || waitingBytes > WAITING_BYTES_MAX) drop(BATCH_MAX)
    } catch (error) {
      lose(1)
      log.warn({ err: error }, 'a verdict could not be taken down')
    }
  }

  function drop(count: number): void {
    lose(take(count).length)
  }

  function take(count: number): readonly Waiting[] {
    const taken = waiting.slice(0, count)
    waiting = waiting.slice(count)
    for (const { bytes } of taken) waitingBytes -= bytes
    return taken
  }

  function lose(count: number): void {
    dropped += count
    droppedAtMs = clock.monotonicMs()
  }

  /** @returns whether all of it is written */
  async function write(): Promise<boolean> {
    while (ready.length > 0 || waiting.length > 0) {
      if (ready.length === 0) ready = await digested(take(BATCH_MAX))
      try {
        await decisionLog.add(ready)
        ready = []
        if (isAway) log.info({ dropped }, 'verdicts can be written again')
        isAway = false
      } catch (error) {
        if (!(error instanceof LedgerAway)) {
          // Whether they were written cannot be known: rather a line too few than one twice.
          lose(ready.length)
          ready = []
        }
        if (!isAway) log.warn({ err: error }, 'verdicts could not be written to the decision log')
        isAway = true
        return false
      }
    }
    return true
  }

  async function digested(batch: readonly Waiting[]): Promise<readonly RecordedVerdict[]> {
    const verdicts: RecordedVerdict[] = []
    let bytes = 0
    for (const each of batch) {
      verdicts.push(verdictOf(each))
      bytes += each.bytes
      if (bytes < DIGESTED_AT_ONCE_BYTES) continue
      bytes = 0
      await clock.sleep(0)
    }
    return verdicts
  }

  function verdictOf({ taken, params }: Waiting): RecordedVerdict {
    const { params: _params, judgedInMs, ...said } = taken
    const args: JsonValue = params?.arguments ?? {}
    return {
      ...said,
      ...(rules.facts?.(said.server, said.tool) ?? unknownTool),
      lookUp: said.lookUp ?? null,
      judgedInUs: Math.round(judgedInMs * 1_000),
      paramsDigest: params === null ? null : paramsDigest(params),
      keys: params === null ? null : keysOf(args),
      arguments: params !== null && recordsArguments(said.server) ? keptArguments(args) : null,
    }
  }

  async function sweep(): Promise<void> {
    if (clock.monotonicMs() - sweptAtMs < SWEEP_EVERY_MS) return
    try {
      const swept = await decisionLog.sweep(timings.keepDecisionsMs, limits.decisionsMax, SWEPT_MAX)
      // As many as were asked for: more follow in the next round.
      if (swept < SWEPT_MAX) sweptAtMs = clock.monotonicMs()
    } catch (error) {
      sweptAtMs = clock.monotonicMs()
      log.warn({ err: error }, 'the decision log could not be swept; a later round follows')
    }
  }

  return {
    record,

    gap() {
      if (dropped === 0 || clock.monotonicMs() - droppedAtMs > GAP_SHOWN_MS) return null
      return `${dropped} verdicts since the start of this gateway are not in the decision log: the ledger was away, or too slow; calls were not affected`
    },

    async keep(stopping) {
      while (!stopping.aborted) {
        await clock.sleep(WRITE_EVERY_MS, stopping)
        try {
          if (await write()) await sweep()
        } catch (error) {
          log.error({ err: error }, 'a round of the decision log failed; the next one follows')
        }
      }
    },
  }
}
