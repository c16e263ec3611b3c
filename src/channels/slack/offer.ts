/** What a card lets people do: a yes only beside all of what would run, a no always, in the words that are true for this call. */
import type { Approval, InstantMs, Settled } from '../../domain/approval.ts'
import { authorise } from '../../domain/authority.ts'
import { shortDigest } from '../../domain/canonical.ts'
import { type Grant, grantOffer, grantState } from '../../domain/grant.ts'
import { yesesWanted } from '../../domain/quorum.ts'
import { visible } from '../../domain/visible.ts'
import type { Directory } from '../../ports/directory.ts'
import { actions, type Block, button, context, dialog } from './blocks.ts'
import { seal } from './seal.ts'
import { cut } from './text.ts'

export interface OfferDeps {
  readonly key: Buffer
  readonly directory: Directory
  /** How people's browsers reach the console; `null`: no card carries a link. */
  readonly publicUrl: URL | null
}

export const GRANT_WORDS = 'Approve and allow more…'

/** Where all of the call can be read. */
export type WhereWhole = 'card' | 'review' | 'elsewhere'

export function offer(
  approval: Approval,
  whole: WhereWhole,
  nowMs: InstantMs,
  deps: OfferDeps,
): readonly Block[] {
  const { key, directory, publicUrl } = deps
  const bound = { id: approval.id, version: approval.version, digest: approval.proposed.digest }
  const word = yesWord(approval, nowMs, directory)
  const yes = button({
    id: 'approve',
    text: word,
    value: seal(key, 'approve', bound),
    // At critical risk nothing invites the thumb, and a slip of it decides nothing.
    ...(approval.asking.risk === 'critical'
      ? { confirm: askedOnceMore(approval, word) }
      : { style: 'primary' as const }),
  })
  const review = button({ id: 'review', text: 'Review…', value: seal(key, 'review', bound) })
  // The card itself says everything but what the server answered, which not everybody in the channel may read.
  const evidence = approval.lookups?.some(({ found }) => found.kind === 'answer')
    ? [button({ id: 'review', text: 'Evidence…', value: seal(key, 'review', bound) })]
    : []
  // The dialog is the further step; what the owner alone can say is no more than a confirmation.
  const more =
    word === 'Approve' && grantOffer(approval) !== null
      ? [button({ id: 'grant', text: GRANT_WORDS, value: seal(key, 'grant', bound) })]
      : []
  const first = { card: [yes, ...more, ...evidence], review: [review], elsewhere: [] }[whole]
  const deny = button({ id: 'reject', text: 'Deny', style: 'danger', value: seal(key, 'reject', bound) })
  // The card is one for all: whoever has said no yes is told so.
  const takeBack =
    approval.votes.length === 0
      ? []
      : [button({ id: 'take-back', text: 'Take my yes back', value: seal(key, 'take-back', bound) })]
  const note = noteText(approval, word, whole, publicUrl !== null)
  return [
    ...(note === null ? [] : [context(note)]),
    actions([
      ...first,
      deny,
      ...takeBack,
      ...(publicUrl === null ? [] : [consoleButton(publicUrl, approval.id)]),
    ]),
  ]
}

/** While it stands, for whoever may say no to such a call. */
export function offerEnd(
  { id, version, proposed }: Approval,
  grant: Grant | null,
  nowMs: InstantMs,
  { key }: OfferDeps,
): readonly Block[] {
  if (grant === null || grantState(grant, nowMs) !== 'stands') return []
  const bound = { id, version, digest: proposed.digest }
  const confirm = dialog(
    'End this grant?',
    'Nothing begins under it any more: the next such call is asked about. A call that it covered and that is not being sent yet is withdrawn.',
    'End it',
  )
  return [
    actions([
      button({ id: 'end-grant', text: 'End the grant', value: seal(key, 'end-grant', bound), confirm }),
    ]),
  ]
}

/** After an end that nobody knows: people are asked anew under another ticket. The rest is for the console, which has room. */
export function offerAfter(approval: Settled, { key, publicUrl }: OfferDeps): readonly Block[] {
  const { outcome, id, version, proposed } = approval
  if (outcome.kind !== 'indeterminate' || outcome.successor !== null) return []
  if (outcome.annotations.at(-1)?.finding === 'happened') return []
  const bound = { id, version, digest: proposed.digest }
  const text =
    'The same call gets a new ticket, and runs only after a new yes. Look at the server first: if it did happen, a yes would do it twice.'
  const confirm = dialog('Ask again?', text, 'Ask again')
  const again = button({ id: 'ask-again', text: 'Ask again', value: seal(key, 'ask-again', bound), confirm })
  return [actions([again, ...(publicUrl === null ? [] : [consoleButton(publicUrl, id)])])]
}

/** *Confirm* where only the owner can say yes: their own yes is never called an approval. */
function yesWord(approval: Approval, nowMs: InstantMs, directory: Directory): 'Approve' | 'Confirm' {
  const { owner } = approval.asked.requester
  if (!approval.asking.approvers.selfConfirm) return 'Approve'
  const others = directory
    .people()
    .some((person) => person.id !== owner && authorise(person, 'approve', approval, nowMs).ok)
  return others ? 'Approve' : 'Confirm'
}

function askedOnceMore({ asked, asking, proposed, votes }: Approval, word: string) {
  const what = `${cut(visible(asked.tool), 80).text} on ${cut(visible(asked.server), 80).text}`
  const wanted = yesesWanted(asking.stages)
  const runs = votes.length + 1 < wanted ? `is one yes nearer to running, of ${wanted}` : 'runs once'
  const text = `${what} ${runs}, exactly as the card shows it (digest ${shortDigest(proposed.digest)}).`
  return dialog(`${word} this critical call?`, text, word)
}

function noteText(
  { asked, asking }: Approval,
  word: 'Approve' | 'Confirm',
  whole: WhereWhole,
  hasConsole: boolean,
): string | null {
  switch (whole) {
    case 'elsewhere': {
      const where = hasConsole ? 'the console' : 'the console or on the command line'
      return `A yes is only for what was shown in full, and this is more than Slack can show: look at it in ${where}.`
    }
    case 'review':
      return `Review shows all of it; ${word} is on its last page.`
    case 'card':
      return word === 'Approve' && asking.approvers.selfConfirm
        ? `From ${visible(asked.requester.owner)}, who answers for this agent, a yes counts as a confirmation, not as an approval.`
        : null
  }
}

/** To the approval that took the place of a void one; none where the console has no address. */
export const successorButtons = (successor: string, publicUrl: URL | null): readonly Block[] =>
  publicUrl === null ? [] : [actions([consoleButton(publicUrl, successor, `Open ${successor}`)])]

const consoleButton = (publicUrl: URL, id: string, text = 'Open in the console') =>
  button({
    id: 'open-console',
    text,
    value: id,
    url: `${publicUrl.href.replace(/\/+$/, '')}/approvals/${id}`,
  })
