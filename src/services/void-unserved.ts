/**
 * Ends calls for servers that no gateway has any more: nobody could run them, so nobody should decide about them. A server may
 * be in the file of one gateway and not in that of another, and gateways are restarted: what counts is that none has said for a
 * long time that it serves it, although one was there all the while. Level-triggered: anybody may do it, at any time.
 */
import type { ApprovalId } from '../domain/approval-id.ts'
import { spanText } from '../domain/present.ts'
import type { Timings } from '../domain/timings.ts'
import { visible } from '../domain/visible.ts'
import type { Clock } from '../ports/clock.ts'
import type { Ledger } from '../ports/ledger.ts'
import type { Log } from '../ports/log.ts'
import type { Change } from './change.ts'

/** Ended in one round; the rest follows in the next. */
const PER_ROUND_MAX = 200
/** Often enough that some that were lost do not make a server look as if it were gone. */
const NOTE_MS = 60_000
const NOTES_IN_TIME_MIN = 5

/** @returns how many were ended */
export type VoidUnserved = () => Promise<number>

export function createVoidUnserved(deps: {
  ledger: Pick<Ledger, 'unserved' | 'get'>
  change: Change
  timings: Pick<Timings, 'unservedMs'>
  log: Log
}): VoidUnserved {
  const { ledger, change, timings, log } = deps

  return async function voidUnserved() {
    let ended = 0
    for (const id of await ledger.unserved(timings.unservedMs, PER_ROUND_MAX)) {
      if (await endOne(id)) ended++
    }
    return ended
  }

  /** One record that this process cannot read or change must not keep the others. */
  async function endOne(id: ApprovalId): Promise<boolean> {
    try {
      const reading = await ledger.get(id)
      if (reading === null) return false
      const { version, asked } = reading.approval
      const why =
        `no gateway has had the server "${visible(asked.server)}" for ${spanText(timings.unservedMs)}: it was taken out of ` +
        'holdpoint.yaml, or its gateway is gone'
      const event = { kind: 'invalidate', change: why, successor: null, forbidden: false } as const
      const done = await change(id, event, { version })
      if (done.ok)
        log.warn({ approval: id, server: asked.server }, 'a call was ended: no gateway has its server')
      return done.ok
    } catch (error) {
      log.warn(
        { err: error, approval: id },
        'a call without a server could not be ended; it is looked at again',
      )
      return false
    }
  }
}

/** Says every minute, or more often where that matters, what this gateway serves, and ends what nobody does, until `stopping` aborts; never rejects. */
export async function keepServing(deps: {
  ledger: Pick<Ledger, 'noteServing'>
  voidUnserved: VoidUnserved
  node: string
  servers: readonly string[]
  clock: Clock
  timings: Pick<Timings, 'unservedMs'>
  stopping: AbortSignal
  log: Log
}): Promise<void> {
  const { ledger, voidUnserved, node, servers, clock, timings, stopping, log } = deps
  const noteMs = Math.min(NOTE_MS, timings.unservedMs / NOTES_IN_TIME_MIN)
  while (!stopping.aborted) {
    try {
      await ledger.noteServing(node, servers)
      await voidUnserved()
    } catch (error) {
      log.warn({ err: error }, 'which servers are served could not be noted; the next round follows')
    }
    await clock.sleep(noteMs, stopping)
  }
}
