/**
 * A click on a card, judged at the moment it arrives: by whom, on which message, about which digest. Whatever does not
 * fit decides nothing and is answered with the reason.
 */
import { type Approval, decidersOf } from '../../domain/approval.ts'
import type { ApprovalId } from '../../domain/approval-id.ts'
import { decisionIn, type GrantWish } from '../../domain/grant.ts'
import type { Person } from '../../domain/principal.ts'
import { err, ok, type Result } from '../../domain/result.ts'
import type { Cards } from '../../ports/cards.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Ledger, Reading } from '../../ports/ledger.ts'
import { NewerForm } from '../../ports/ledger-faults.ts'
import type { Log } from '../../ports/log.ts'
import type { DecideRefusal, People } from '../../services/decide.ts'
import type { Grants } from '../../services/grants.ts'
import type { Account, Accounts } from './accounts.ts'
import { type Place, placeText } from './place.ts'
import { isSealOf, type Purpose, parseSealed, type Sealed } from './seal.ts'
import {
  changedText,
  decidedText,
  foreignText,
  grantEndedText,
  grantMissedText,
  grantOverText,
  newerFormText,
  refusalText,
  takenBackText,
  unknownText,
} from './words.ts'

export interface Shown {
  readonly account: Account
  readonly place: Place
  readonly value: string
}

/** Within Slack's three seconds. */
const NOTED_WITHIN_MS = 1_000
const NOTED_PAUSE_MS = 50

export type Decided =
  | { readonly kind: 'decided'; readonly approval: Approval; readonly words: string | null }
  /**
   * The rule asks for a reason that says something, or allows less than is wished for; the words say so, and nothing was
   * decided.
   */
  | {
      readonly kind: 'unexplained' | 'beyond'
      readonly person: Person
      readonly reading: Reading
      readonly words: string
    }

/** The words are for the person who clicked, and for nobody else. */
export interface Clicks {
  decide(
    shown: Shown,
    answer: 'approve' | 'reject',
    purpose: Purpose,
    reason: string | null,
    /** What is allowed besides, with a yes. */
    grant?: GrantWish,
  ): Promise<Result<Decided, string>>
  /** One's own yes, while others are missing. */
  takeBack(shown: Shown): Promise<Result<string, string>>
  /** Of what was allowed with this approval. */
  endGrant(shown: Shown): Promise<Result<string, string>>
  /** About a call whose end nobody knows. */
  askAgain(shown: Shown): Promise<Result<string, string>>
  /** Who looks at what, without deciding anything. */
  look(shown: Shown, purpose: Purpose): Promise<Result<{ person: Person; reading: Reading }, string>>
}

export function createClicks(deps: {
  key: Buffer
  channel: string
  ledger: Pick<Ledger, 'get'>
  cards: Pick<Cards, 'approvalAt'>
  accounts: Accounts
  people: Pick<People, 'decide' | 'askAgain' | 'takeBack'>
  grants: Pick<Grants, 'end'>
  /** A card of ours that we lost track of: it was posted, and then the answer of Slack or our note of it was lost. */
  retire(place: Place, id: ApprovalId): void
  clock: Clock
  log: Log
}): Clicks {
  const { key, channel, ledger, cards, accounts, people, grants, retire, clock, log } = deps

  async function look({ account, place, value }: Shown, purpose: Purpose) {
    const sealed = parseSealed(value)
    const reading = sealed === null ? null : await readable(sealed.id)
    if (reading instanceof NewerForm) return err(newerFormText(reading.unread))
    if (sealed === null || reading === null) return foreign(sealed, account)
    const { approval } = reading
    const isSealed = isSealOf(key, sealed, purpose, approval.proposed.digest)
    const at = await approvalAt(place, isSealed)
    if (at === null && isSealed) retire(place, approval.id)
    if (at !== approval.id) return foreign(sealed, account)
    if (!isSealed) return err(changedText(approval))
    const person = await accounts.person(account)
    if (!person.ok) {
      log.warn(
        { approval: approval.id, user: account.user, because: person.error.reason },
        'a click by nobody we know',
      )
      return err(unknownText(person.error))
    }
    return ok({ person: person.value, reading })
  }

  async function readable(id: ApprovalId): Promise<Reading | NewerForm | null> {
    try {
      return await ledger.get(id)
    } catch (error) {
      if (error instanceof NewerForm) return error
      throw error
    }
  }

  function foreign(sealed: Sealed | null, { user }: Account) {
    log.warn({ approval: sealed?.id ?? null, user }, 'a click on a card that is not ours')
    return err(foreignText)
  }

  /** A card can be clicked in the moment between its post and our note of it. */
  async function approvalAt(place: Place, isWorthWaiting: boolean): Promise<ApprovalId | null> {
    const untilMs = clock.monotonicMs() + NOTED_WITHIN_MS
    for (;;) {
      const id = await cards.approvalAt(channel, placeText(place))
      if (id !== null || !isWorthWaiting || clock.monotonicMs() >= untilMs) return id
      await clock.sleep(NOTED_PAUSE_MS)
    }
  }

  return {
    look,
    async askAgain(shown) {
      const looked = await look(shown, 'ask-again')
      if (!looked.ok) return looked
      const { person, reading } = looked.value
      const asked = await people.askAgain({ id: reading.approval.id, person, reason: null, via: 'slack' })
      return asked.ok
        ? ok(`People are asked again, as ${asked.value.id}. It runs only after a new yes.`)
        : err(refusalText(asked.error, reading.approval))
    },
    async takeBack(shown) {
      const looked = await look(shown, 'take-back')
      if (!looked.ok) return looked
      const { person, reading } = looked.value
      const taken = await people.takeBack({ id: reading.approval.id, person, reason: null, via: 'slack' })
      return taken.ok ? ok(takenBackText(taken.value)) : err(refusalText(taken.error, reading.approval))
    },
    async endGrant(shown) {
      const looked = await look(shown, 'end-grant')
      if (!looked.ok) return looked
      const { person, reading } = looked.value
      const ended = await grants.end({ id: reading.approval.id, person, reason: null })
      if (ended.ok) return ok(grantEndedText(ended.value))
      const isOver = ended.error.reason === 'refused' && ended.error.refusal.reason === 'no_grant'
      return err(isOver ? grantOverText : refusalText(ended.error, reading.approval))
    },
    async decide(shown, answer, purpose, written, grant) {
      const looked = await look(shown, purpose)
      if (!looked.ok) return looked
      const { person, reading } = looked.value
      const { id, proposed } = reading.approval
      // The seal has shown that this digest stood beside the button; the ledger compares it once more as it writes.
      const reason = written === null || written.trim() === '' ? null : written.trim()
      const wish = grant === undefined ? {} : { grant }
      const said = { id, person, answer, digest: proposed.digest, reason, via: 'slack', ...wish } as const
      const decided = await people.decide(said)
      if (decided.ok) {
        return ok({ kind: 'decided', approval: decided.value, words: decidedText(decided.value) })
      }
      const own = await repeated(id, person, answer)
      if (own !== null) {
        const words = grant === undefined || isGiven(own, grant) ? null : grantMissedText
        return ok({ kind: 'decided', approval: own, words })
      }
      const words = refusalText(decided.error, reading.approval)
      if (isUnexplained(decided.error)) return ok({ kind: 'unexplained', person, reading, words })
      if (isBeyond(decided.error)) return ok({ kind: 'beyond', person, reading, words })
      return err(words)
    },
  }

  /** Slack may deliver a click twice, and people click twice: the same answer by the same person is no news. */
  async function repeated(
    id: ApprovalId,
    person: Person,
    answer: 'approve' | 'reject',
  ): Promise<Approval | null> {
    const approval = (await ledger.get(id))?.approval
    if (approval === undefined) return null
    if (approval.status === 'pending') {
      return answer === 'approve' && approval.votes.some(({ by }) => by === person.id) ? approval : null
    }
    const decision = approval.status === 'settled' ? decisionOf(approval.outcome) : approval.decision
    if (decision === null || !decidersOf(decision).includes(person.id)) return null
    return (decision.kind === 'reject') === (answer === 'reject') ? approval : null
  }
}

const isUnexplained = (refusal: DecideRefusal) =>
  refusal.reason === 'refused' &&
  (refusal.refusal.reason === 'reason_required' || refusal.refusal.reason === 'reason_too_long')

const isBeyond = (refusal: DecideRefusal) =>
  refusal.reason === 'refused' && refusal.refusal.reason === 'grant_beyond'

/** The same wish, delivered a second time. */
function isGiven(approval: Approval, { uses, durationMs }: GrantWish): boolean {
  const decision = decisionIn(approval)
  const gives = decision?.gives ?? null
  return (
    decision !== null && gives !== null && gives.uses === uses && gives.untilMs - decision.atMs === durationMs
  )
}

const decisionOf = (outcome: Extract<Approval, { status: 'settled' }>['outcome']) =>
  'decision' in outcome ? outcome.decision : null
