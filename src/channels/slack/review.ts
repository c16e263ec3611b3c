/**
 * The review of a call that is too long for a card: a modal that pages through all of it. Only its last page has a yes, each
 * page leads only to its neighbours, and all are pages of one layout, so that whoever says it has had all of it before them.
 */
import type { types } from '@slack/bolt'
import { mayReadReply } from '../../domain/authority.ts'
import { grantOffer, mayGrant } from '../../domain/grant.ts'
import { yesOf } from '../../domain/present.ts'
import type { Person } from '../../domain/principal.ts'
import { err, ok, type Result } from '../../domain/result.ts'
import type { Ledger, Reading } from '../../ports/ledger.ts'
import type { Account } from './accounts.ts'
import { actions, button, context } from './blocks.ts'
import type { CardDeps } from './card.ts'
import type { Clicks } from './clicks.ts'
import { GRANT_WORDS } from './offer.ts'
import type { CardClick, PageClick, Submission } from './payloads.ts'
import { type Place, type Reviewed, reviewedText } from './place.ts'
import { reasonErrors, reasonInput } from './reason.ts'
import { reviewPages } from './review-pages.ts'
import { type Purpose, seal } from './seal.ts'
import { stillOf } from './still.ts'

export const REVIEW = 'review-pages'
export const PAGE_BACK = 'page-back'
export const PAGE_ON = 'page-on'
export const GRANT_REVIEWED = 'grant-reviewed'

type View = types.ModalView

export interface Review {
  open(click: CardClick): Promise<Result<View, string>>
  turn(click: PageClick): Promise<Result<View, string>>
  /** The yes on the last page. The view says what came of it; errors are about what was filled in there. */
  submit(submission: Submission): Promise<View | { readonly errors: Record<string, string> }>
  /** Whether this account has all pages before it, up to this last one, and they are what would be sent now. */
  seenAll(
    account: Account,
    at: Reviewed,
  ): Promise<Result<{ readonly person: Person; readonly reading: Reading }, string>>
  /** Some words in place of a page. */
  told(words: string): View
}

export function createReview(
  deps: CardDeps & { clicks: Clicks; ledger: Pick<Ledger, 'waitingNodes'> },
): Review {
  const { key, clicks, ledger } = deps

  /** Nobody else sees the dialog: what the server answered is in it for those who may read that. */
  async function reviewOf({ approval, nowMs }: Reading, person: Person) {
    const isRequesterWaiting = (await ledger.waitingNodes(approval.id)).length > 0
    const readsLookups = mayReadReply(person, approval, nowMs)
    const { startWithinMs } = deps
    const showing = { approval, nowMs, isRequesterWaiting, grant: null }
    const still = stillOf(showing, { startWithinMs, readsLookups })
    return { shown: still.shown, review: reviewPages(still, { withLookups: readsLookups }) }
  }

  async function page(
    place: Place,
    number: number,
    looker: { account: Account; person: Person; reading: Reading },
    /** Of the page before this one; `null` where the review begins. */
    begun: string | null,
  ): Promise<Result<View, string>> {
    const { account, person, reading } = looker
    const { approval, nowMs } = reading
    const { shown, review } = await reviewOf(reading, person)
    if (review === null) return err('This is more than Slack can show: decide in the console.')
    const { pages, layout } = review
    const blocks = pages[number - 1]
    if ((begun !== null && begun !== layout) || blocks === undefined) return err(changedText)
    const bound = { id: approval.id, version: approval.version, digest: approval.proposed.digest }
    // Made here only, where the page is drawn: it opens the next page, and on the last one it is needed for the yes.
    const value = seal(key, seenBy(account, { page: number, layout }), bound)
    const yes = yesOf(approval, person, nowMs)
    const isLast = number === pages.length
    const note =
      yes.kind === 'withheld'
        ? yes.because
        : isLast
          ? 'You have seen all of it.'
          : `${yes.word} is on the last page.`
    return ok({
      type: 'modal',
      callback_id: REVIEW,
      title: plain(`Review ${approval.id}`),
      close: plain('Close'),
      ...(isLast && yes.kind === 'offered' ? { submit: plain(yes.word) } : {}),
      private_metadata: reviewedText({ place, value, page: number, layout }),
      blocks: [
        context(`Page ${number} of ${pages.length}; what does not fit in one box goes on in the next.`),
        ...blocks,
        context(`${shown.ticket} · digest ${shown.digest.short} · ${note}`),
        ...(isLast && yes.kind === 'offered' && approval.asking.reasonRequired ? [reasonInput()] : []),
        ...turning(
          number,
          pages.length,
          value,
          isLast &&
            yes.kind === 'offered' &&
            yes.word === 'Approve' &&
            mayGrant(person, approval, nowMs) &&
            grantOffer(approval) !== null,
        ),
      ],
    })
  }

  async function seenAll(account: Account, at: Reviewed) {
    const looked = await clicks.look({ account, place: at.place, value: at.value }, seenBy(account, at))
    if (!looked.ok) return looked
    const { review } = await reviewOf(looked.value.reading, looked.value.person)
    if (review?.layout !== at.layout) return err(changedText)
    return at.page === review.pages.length ? looked : err('Nothing was decided: the yes is on the last page.')
  }

  return {
    told,
    seenAll,
    async open(click) {
      const looked = await clicks.look(click, 'review')
      return looked.ok ? page(click.place, 1, { account: click.account, ...looked.value }, null) : looked
    },
    async turn({ account, view, value, action }) {
      const { app, at } = view
      const shown = { account, place: { ...at.place, app }, value }
      const looked = await clicks.look(shown, seenBy(account, at))
      if (!looked.ok) return looked
      const target = action === PAGE_ON ? at.page + 1 : at.page - 1
      return page(at.place, target, { account, ...looked.value }, at.layout)
    },
    async submit({ account, view: { app, at }, reason }) {
      const shown = { account, place: { ...at.place, app }, value: at.value }
      const seen = await seenAll(account, { ...at, place: shown.place })
      if (!seen.ok) return told(seen.error)
      const decided = await clicks.decide(shown, 'approve', seenBy(account, at), reason)
      if (!decided.ok) return told(decided.error)
      if (decided.value.kind !== 'decided') return { errors: reasonErrors(decided.value.words) }
      return told(decided.value.words ?? 'Your yes is recorded. The card shows what comes of it.')
    },
  }
}

/** What the seal of a page says: this account had this page of these pages before them. */
export const seenBy = ({ user }: Account, { page, layout }: Pick<Reviewed, 'page' | 'layout'>): Purpose =>
  `page ${page} ${layout} ${user}`

const changedText =
  'Nothing was decided: what there is to review has changed since you began. Begin again from the card.'

function turning(number: number, count: number, value: string, mayAllowMore: boolean) {
  const buttons = [
    ...(number > 1 ? [button({ id: PAGE_BACK, text: '← Back', value })] : []),
    ...(number < count ? [button({ id: PAGE_ON, text: 'Next →', value })] : []),
    ...(mayAllowMore ? [button({ id: GRANT_REVIEWED, text: GRANT_WORDS, value })] : []),
  ]
  return buttons.length === 0 ? [] : [actions(buttons)]
}

const told = (words: string): View => ({
  type: 'modal',
  title: plain('Review'),
  close: plain('Close'),
  blocks: [{ type: 'section', text: { type: 'plain_text', text: words, emoji: false }, expand: true }],
})

const plain = (text: string) => ({ type: 'plain_text' as const, text, emoji: false })
