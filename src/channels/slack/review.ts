/**
 * The review of a call that is too long for a card: a modal that pages through all of it. Only its last page has a yes,
 * so that whoever says it has had every page before them.
 */
import type { types } from '@slack/bolt'
import { yesOf } from '../../domain/present.ts'
import type { Person } from '../../domain/principal.ts'
import { err, ok, type Result } from '../../domain/result.ts'
import type { Ledger, Reading } from '../../ports/ledger.ts'
import { actions, button, context } from './blocks.ts'
import { type CardDeps, presentStill } from './card.ts'
import type { Clicks } from './clicks.ts'
import type { CardClick, PageClick, Submission } from './payloads.ts'
import { type Place, reviewedText } from './place.ts'
import { reviewPages } from './review-pages.ts'
import { type Purpose, seal } from './seal.ts'

export const REVIEW = 'review-pages'
export const PAGE_BACK = 'page-back'
export const PAGE_ON = 'page-on'

type View = types.ModalView

export interface Review {
  open(click: CardClick): Promise<Result<View, string>>
  turn(click: PageClick): Promise<Result<View, string>>
  /** The yes on the last page. The view says what came of it. */
  submit(submission: Submission): Promise<View>
  /** Some words in place of a page. */
  told(words: string): View
}

export function createReview(
  deps: CardDeps & { clicks: Clicks; ledger: Pick<Ledger, 'waitingNodes'> },
): Review {
  const { key, clicks, ledger } = deps

  async function pagesOf({ approval, nowMs }: Reading) {
    const isRequesterWaiting = (await ledger.waitingNodes(approval.id)).length > 0
    const shown = presentStill({ approval, nowMs, isRequesterWaiting }, deps)
    return { shown, pages: reviewPages(shown) }
  }

  async function page(
    place: Place,
    number: number,
    looked: { person: Person; reading: Reading },
  ): Promise<Result<View, string>> {
    const { approval, nowMs } = looked.reading
    const { shown, pages } = await pagesOf(looked.reading)
    const blocks = pages?.[number - 1]
    if (pages === null || blocks === undefined)
      return err('This is more than Slack can show: decide in the console.')
    const bound = { id: approval.id, version: approval.version, digest: approval.proposed.digest }
    const to = (target: number) => seal(key, `page-${target}`, bound)
    const yes = yesOf(approval, looked.person, nowMs)
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
      private_metadata: reviewedText({ place, value: to(number), page: number }),
      blocks: [
        context(`Page ${number} of ${pages.length}; what does not fit in one box goes on in the next.`),
        ...blocks,
        context(`${shown.ticket} · digest ${shown.digest.short} · ${note}`),
        ...turning(number, pages.length, to),
      ],
    })
  }

  return {
    told,
    async open(click) {
      const looked = await clicks.look(click, 'review')
      return looked.ok ? page(click.place, 1, looked.value) : looked
    },
    async turn({ account, view, value, action }) {
      const { app, at } = view
      // The page a button leads to is part of its seal, so it leads to no other.
      const target = action === PAGE_ON ? at.page + 1 : at.page - 1
      const looked = await clicks.look({ account, place: { ...at.place, app }, value }, `page-${target}`)
      return looked.ok ? page(at.place, target, looked.value) : looked
    },
    async submit({ account, view: { app, at } }) {
      const shown = { account, place: { ...at.place, app }, value: at.value }
      const purpose: Purpose = `page-${at.page}`
      const looked = await clicks.look(shown, purpose)
      if (!looked.ok) return told(looked.error)
      if (at.page !== (await pagesOf(looked.value.reading)).pages?.length) {
        return told('Nothing was decided: the yes is on the last page.')
      }
      const decided = await clicks.decide(shown, 'approve', purpose)
      if (!decided.ok) return told(decided.error)
      return told(decided.value.words ?? 'Your yes is recorded. The card shows what comes of it.')
    },
  }
}

function turning(number: number, count: number, to: (page: number) => string) {
  const buttons = [
    ...(number > 1 ? [button({ id: PAGE_BACK, text: '← Back', value: to(number - 1) })] : []),
    ...(number < count ? [button({ id: PAGE_ON, text: 'Next →', value: to(number + 1) })] : []),
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
