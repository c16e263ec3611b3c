/**
 * An approval as it is drawn in Slack. No more of a call is laid out than a review could show: the layout of a larger one would
 * hold up the gateway for seconds, which an agent could otherwise do to it, and there is no yes for it in Slack anyway.
 */
import { type Presented, present } from '../../domain/present.ts'
import { isVisibleJsonWithin, visible } from '../../domain/visible.ts'
import type { Showing } from '../../ports/channels.ts'
import { instantMark } from './blocks.ts'

export interface Still {
  readonly shown: Presented
  readonly sent:
    | { readonly kind: 'whole' }
    /** Then `shown` has no sections. */
    | { readonly kind: 'beginning'; readonly text: string; readonly bytes: number }
}

/** Of a call as it is stored: twenty-five pages of a book, which nobody reads in a dialog. */
const STORED_LENGTH_MAX = 64 * 1024
/** Of a call laid out: indentation and marks can make ten times as much of it. Slack's largest view holds about as much. */
const SHOWN_LENGTH_MAX = 250_000
/** More than a card shows of it, so that it is marked there as cut. */
const BEGINNING_MAX = 2_000

/** On a surface that stays as it is: instants in the reader's own time, no spans from now. */
export function stillOf(
  { approval, nowMs, isRequesterWaiting }: Showing,
  /** `readsLookups`: only one person sees it, who may read what the server answered. */
  { startWithinMs, readsLookups = false }: { startWithinMs: number; readsLookups?: boolean },
): Still {
  const { proposed } = approval
  const { canonicalParams: stored } = proposed
  const beholder = {
    nowMs,
    isRequesterWaiting,
    startWithinMs,
    when: instantMark,
    isStill: true,
    readsLookups,
  }
  if (stored.length <= STORED_LENGTH_MAX && isVisibleJsonWithin(stored, SHOWN_LENGTH_MAX))
    return { shown: present(approval, beholder), sent: { kind: 'whole' } }
  return {
    shown: present(approval, { ...beholder, isWithoutSections: true }),
    sent: {
      kind: 'beginning',
      text: visible(stored.slice(0, BEGINNING_MAX)),
      bytes: Buffer.byteLength(stored),
    },
  }
}
