/** One round of a loop behind the queue: what a channel refuses delays nothing that comes after it. */
import type { ApprovalId } from '../domain/approval-id.ts'
import { ChannelFault } from '../ports/channels.ts'

/** A channel that refuses this many in a row would refuse the others of the round as well. */
const NOT_TAKEN_MAX = 3

/** The channel will not take this as it is; trying again at once is no use. */
export const isRefusal = (error: unknown): boolean => error instanceof ChannelFault && !error.isTemporary

export interface Round {
  act(id: ApprovalId): Promise<void>
  /** Was refused, or could not be done for a reason of its own. */
  refused?(id: ApprovalId): void
  readonly stopping: AbortSignal
}

/**
 * Acts on each in turn, until something passing is in the way or the channel refuses too many in a row.
 * @returns the last fault, `null`: none
 */
export async function actOnEach(
  ids: readonly ApprovalId[],
  { act, refused, stopping }: Round,
): Promise<unknown> {
  let fault: unknown = null
  let notTaken = 0
  for (const id of ids) {
    if (stopping.aborted || notTaken >= NOT_TAKEN_MAX) return fault
    try {
      await act(id)
      notTaken = 0
    } catch (error) {
      fault = error
      // The channel is away, or asks to be left alone: that is so for every one of them.
      if (error instanceof ChannelFault && error.isTemporary) return fault
      // What is no fault of the channel may be this one record: the others go on.
      refused?.(id)
      notTaken++
    }
  }
  return fault
}
