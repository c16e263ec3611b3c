/**
 * Gateways and workers are replaced one after the other: records of the newer version may be there before the last process of
 * this one has gone. It leaves them alone, and says so: on `/readyz` for as long as it lasts, once in its log.
 */
import type { Clock } from '../ports/clock.ts'
import type { Ledger } from '../ports/ledger.ts'
import type { Log } from '../ports/log.ts'

/** Beyond it the number tells nobody more. */
const COUNTED_MAX = 1_000
/** Whoever asks `/readyz` looks sooner; the line in the log may wait. */
const LOOK_MS = 10_000

export interface NewerForms {
  /** A sentence about records that are left alone, `null` when there are none. */
  gap(): Promise<string | null>
  /** Looks until `stopping` aborts; never rejects. */
  keep(stopping: AbortSignal): Promise<void>
}

export function createNewerForms(deps: {
  ledger: Pick<Ledger, 'newerForms'>
  clock: Clock
  log: Log
}): NewerForms {
  const { ledger, clock, log } = deps
  let isSaid = false

  async function gap(): Promise<string | null> {
    const { count, form } = await ledger.newerForms(COUNTED_MAX)
    if (count === 0) return null
    const many = count === COUNTED_MAX ? `${COUNTED_MAX} records or more were` : wereRecords(count)
    const text = `${many} written by a newer Holdpoint (up to form ${form}); this process does not touch them`
    if (!isSaid) log.warn({ records: count, form }, `${text}: bring it to the newer version as well`)
    isSaid = true
    return text
  }

  return {
    gap,
    async keep(stopping) {
      while (!stopping.aborted) {
        // Whoever watches over the ledger says when it does not answer.
        await gap().catch((error: unknown) =>
          log.debug({ err: error }, 'forms of records could not be counted'),
        )
        await clock.sleep(LOOK_MS, stopping)
      }
    },
  }
}

const wereRecords = (count: number) => (count === 1 ? '1 record was' : `${count} records were`)
