/**
 * A yes in Slack that allows more: who may give it, what it binds to, and what its dialog is told. Deciding and granting are one
 * act of the same service as in the console; ending a grant is another.
 */
import type { types } from '@slack/bolt'
import { type GrantWish, grantOffer, mayGrant } from '../../domain/grant.ts'
import { yesOf } from '../../domain/present.ts'
import { err, ok, type Result } from '../../domain/result.ts'
import type { Account } from './accounts.ts'
import type { Clicks } from './clicks.ts'
import { grantDialog, usesErrors } from './grant-dialog.ts'
import type { CardClick, GrantSubmission, PageClick } from './payloads.ts'
import type { Granting } from './place.ts'
import { reasonErrors } from './reason.ts'
import { type Review, seenBy } from './review.ts'
import type { Purpose } from './seal.ts'
import { stillOf } from './still.ts'

type View = types.ModalView
type Looked = Extract<Awaited<ReturnType<Clicks['look']>>, { ok: true }>['value']

export interface Grantings {
  /** From a card that shows all of the call. */
  open(click: CardClick): Promise<Result<View, string>>
  /** From the last page of a review. */
  openReviewed(click: PageClick): Promise<Result<View, string>>
  /** The words are for the person; without any the dialog closes, and the card says the rest. */
  submit(
    submission: GrantSubmission,
  ): Promise<{ readonly words: string | null } | { readonly errors: Record<string, string> }>
}

export function createGranting(deps: {
  clicks: Clicks
  review: Pick<Review, 'seenAll'>
  startWithinMs: number
}): Grantings {
  const { clicks, review, startWithinMs } = deps

  function dialogFor({ person, reading }: Looked, granting: Granting): Result<View, string> {
    const { approval, nowMs } = reading
    const yes = yesOf(approval, person, nowMs)
    if (yes.kind === 'withheld') return err(`Nothing was decided. ${yes.because}`)
    const terms = grantOffer(approval)
    if (terms === null || approval.status !== 'pending') return err(noneText)
    if (!mayGrant(person, approval, nowMs)) return err(notTheirsText)
    const still = stillOf({ approval, nowMs, isRequesterWaiting: false, grant: null }, { startWithinMs })
    const sections = granting.reviewed === null ? still.shown.sections : null
    const view = grantDialog(approval, terms, sections, granting)
    return view === null ? err(tooLongText) : ok(view)
  }

  /** What was before this person when they asked for the dialog, looked at again as it is now. */
  async function boundTo(account: Account, { place, value, reviewed }: Granting) {
    const shown = { account, place, value }
    if (reviewed === null) return ok<{ shown: typeof shown; purpose: Purpose }>({ shown, purpose: 'grant' })
    const seen = await review.seenAll(account, { place, value, ...reviewed })
    return seen.ok ? ok({ shown, purpose: seenBy(account, reviewed) }) : seen
  }

  return {
    async open(click) {
      const looked = await clicks.look(click, 'grant')
      const { place, value } = click
      return looked.ok ? dialogFor(looked.value, { place, value, reviewed: null }) : looked
    },

    async openReviewed({ account, view: { app, at }, value }) {
      const place = { ...at.place, app }
      const { page, layout } = at
      const seen = await review.seenAll(account, { place, value, page, layout })
      return seen.ok ? dialogFor(seen.value, { place, value, reviewed: { page, layout } }) : seen
    },

    async submit({ account, granting, uses, durationMs, reason }) {
      const bound = await boundTo(account, granting)
      if (!bound.ok) return { words: bound.error }
      const wish: GrantWish = { uses, durationMs }
      const { shown, purpose } = bound.value
      const decided = await clicks.decide(shown, 'approve', purpose, reason, wish)
      if (!decided.ok) return { words: decided.error }
      const { value } = decided
      if (value.kind === 'unexplained') return { errors: reasonErrors(value.words) }
      return value.kind === 'beyond' ? { errors: usesErrors(value.words) } : { words: value.words }
    },
  }
}

const noneText = 'With this call nothing more can be allowed. Nothing was decided.'
const notTheirsText =
  'You can say yes to this call, but allow nothing more with it: that is for approvers who decide for themselves, and from the start. Nothing was decided.'
const tooLongText =
  'What this would allow takes more words than a dialog has room for: do it in the console or on the command line. Nothing was decided.'
