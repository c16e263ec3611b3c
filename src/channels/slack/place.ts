/** Where a card is: app, channel and message together, so that a click on any other message finds nothing. */
import { z } from 'zod'

export interface Place {
  readonly app: string
  readonly channel: string
  readonly ts: string
}

const shape = z.object({ app: z.string(), channel: z.string(), ts: z.string() })

/** Always the same text for the same place: it is looked up by equality. */
export const placeText = ({ app, channel, ts }: Place): string => JSON.stringify({ app, channel, ts })

/** @throws when the ledger holds something else */
export const parsePlace = (text: string): Place => shape.parse(JSON.parse(text))

/** What was clicked before a reason was asked for. The seal in `value` says which answer it is for. */
export interface Explained {
  readonly place: Place
  readonly value: string
  readonly answer: 'approve' | 'reject'
}

const explainedShape = z.object({ place: shape, value: z.string(), answer: z.enum(['approve', 'reject']) })

export const explainedText = (explained: Explained): string => JSON.stringify(explained)

/** `null`: no dialog of ours. */
export function parseExplained(text: string): Explained | null {
  try {
    return explainedShape.parse(JSON.parse(text))
  } catch {
    return null
  }
}

/** What stood before a person who wants to allow more: a card, or the last page of a review with all that came before it. */
export interface Granting {
  readonly place: Place
  /** The seal of the button, or of the page. */
  readonly value: string
  readonly reviewed: Pick<Reviewed, 'page' | 'layout'> | null
}

export const grantingText = (granting: Granting): string => JSON.stringify(granting)

/** `null`: no dialog of ours. */
export function parseGranting(text: string): Granting | null {
  try {
    return grantingShape.parse(JSON.parse(text))
  } catch {
    return null
  }
}

/** What a page of a review remembers about itself: which card it belongs to, its number and layout, and the seal on both. */
export interface Reviewed {
  readonly place: Place
  readonly value: string
  readonly page: number
  /** Digest of all pages of the review. */
  readonly layout: string
}

const reviewedShape = z.object({
  place: shape,
  value: z.string(),
  page: z.int().min(1).max(1_000),
  layout: z.string().regex(/^[0-9a-f]{64}$/),
})

const grantingShape = z.object({
  place: shape,
  value: z.string(),
  reviewed: reviewedShape.pick({ page: true, layout: true }).nullable(),
})

export const reviewedText = (reviewed: Reviewed): string => JSON.stringify(reviewed)

/** `null`: no page of ours. */
export function parseReviewed(text: string): Reviewed | null {
  try {
    return reviewedShape.parse(JSON.parse(text))
  } catch {
    return null
  }
}
