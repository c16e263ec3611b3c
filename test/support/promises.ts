/**
 * The promises about one approval, judged by what really happened: what it went through, what the upstream received, what
 * its requester was told. The simulation and the crash harness gather this each in their own way; judging is one thing.
 */
import type { Approval, Outcome } from '../../src/domain/approval.ts'
import { type AuditEvent, CHAIN_START, chainHash } from '../../src/domain/audit.ts'

/** Outcomes that say "nothing was executed". */
export const unexecuted: readonly Outcome['kind'][] = [
  'rejected',
  'expired',
  'lapsed',
  'cancelled',
  'invalidated',
  'not_sent',
]

/** What a broken promise means to the one who relied on it. */
export type Harm =
  | 'lost'
  | 'double'
  | 'unapproved'
  | 'false "not sent"'
  | 'untrue'
  | 'wrong recipient'
  | 'audit'
  | 'card'

export interface Broken {
  readonly invariant: string
  readonly harm: Harm
  readonly text: string
}

/** One request that the upstream received. `at`: any clock that all of a story shares. */
export interface Received {
  readonly at: number
  /** The binding digest, recomputed from the bytes received. */
  readonly digest: string
  readonly reply: string | null
}

/** A state the approval went through. */
export interface Past {
  readonly at: number
  readonly status: Approval['status']
  /** Of the decision, where this is an approved one. */
  readonly decidedDigest: string | null
  readonly outcome: Outcome['kind'] | null
}

export interface Story {
  /** As it is in the end. */
  readonly approval: Approval
  readonly replyText: string | null
  readonly trail: readonly AuditEvent[]
  readonly past: readonly Past[]
  readonly received: readonly Received[]
  /** A request that is received so much later than the end was not begun before it. `Infinity`: nobody can tell. */
  readonly lateAfter: number
}

const broken = (invariant: string, harm: Harm, text: string): Broken => ({ invariant, harm, text })

export function brokenPromisesOf(story: Story): Broken[] {
  const { approval, replyText, past, received } = story
  const { id } = approval
  const found: Broken[] = []
  if (received.length > 1) found.push(broken('I1', 'double', `${id} was sent ${received.length} times`))
  for (const hit of received) {
    const before = past.filter(({ at }) => at <= hit.at)
    // The newest: an edit or a stricter rule asks again, and what was decided before it counts no more.
    const decided = before.findLast(({ status }) => status === 'approved')
    if (decided === undefined) found.push(broken('I2', 'unapproved', `${id} was sent without a decision`))
    else if (decided.decidedDigest !== hit.digest)
      found.push(broken('I2', 'unapproved', `${id} was sent with other bytes than decided`))
    if (before.some(({ outcome }) => outcome !== null && unexecuted.includes(outcome)))
      found.push(broken('I3', 'false "not sent"', `${id} was sent after it had ended`))
    // "Nobody knows" is no lie about what comes later, but a person may have looked by then.
    else if (before.some(({ outcome, at }) => outcome !== null && hit.at > at + story.lateAfter))
      found.push(broken('I3', 'untrue', `${id} was sent after it had been given up`))
  }
  found.push(...brokenChain(story))
  if (approval.status !== 'settled') {
    found.push(broken('I4', 'lost', `${id} has no outcome, it is ${approval.status}`))
    return found
  }
  const { kind } = approval.outcome
  if (unexecuted.includes(kind) && received.length > 0)
    found.push(broken('I5', 'false "not sent"', `${id} is ${kind} and was sent`))
  if (kind === 'answered' && (received.length !== 1 || received[0]?.reply !== replyText))
    found.push(broken('I5', 'untrue', `${id} has an answer that the upstream did not give`))
  const ends = new Set(past.flatMap(({ outcome }) => outcome ?? []))
  if (ends.size > 1) found.push(broken('I4', 'untrue', `${id} ended in ${[...ends].join(' and ')}`))
  return found
}

/** Whether the audit of one approval is whole: each event chained to the one before, one for each version, up to the record's own head. */
export function brokenChain({ approval, trail }: Pick<Story, 'approval' | 'trail'>): Broken[] {
  const found: Broken[] = []
  let head = CHAIN_START
  for (const { payload, hash } of trail) {
    if (chainHash(head, payload) !== hash)
      found.push(broken('I10', 'audit', `the audit chain of ${approval.id} is broken`))
    head = hash
  }
  if (trail.length !== approval.version || approval.auditHead !== head)
    found.push(broken('I10', 'audit', `the audit of ${approval.id} is incomplete`))
  return found
}

/** What a requester was told about an approval. */
export interface ToldOf {
  readonly principal: string
  /** `null`: that it goes on. */
  readonly outcome: Outcome['kind'] | null
  /** The upstream's answer as it was passed on, `null` where none was. */
  readonly replyText: string | null
}

export function brokenTelling(story: Story, told: ToldOf): Broken[] {
  const { approval, received } = story
  const { id, asked } = approval
  const found: Broken[] = []
  if (asked.requester.name !== told.principal)
    found.push(broken('I8', 'wrong recipient', `${told.principal} was told about ${id}`))
  if (told.outcome === null) return found
  if (approval.status === 'settled' && approval.outcome.kind !== told.outcome)
    found.push(broken('I5', 'untrue', `${id} was told as ${told.outcome}, it is ${approval.outcome.kind}`))
  if (unexecuted.includes(told.outcome) && received.length > 0)
    found.push(
      broken('I3', 'false "not sent"', `${told.principal} was told ${told.outcome}, but ${id} was sent`),
    )
  if (told.outcome === 'answered' && !received.some(({ reply }) => reply === told.replyText))
    found.push(
      broken('I5', 'untrue', `${told.principal} got an answer to ${id} that the upstream did not give`),
    )
  return found
}

/** Says of a call that it has not run. "This request executed nothing" says less, and is always true of a repeat. */
const SAYS_NOT_RUN = /\bnot executed\b|\bnothing was executed\b(?! by this request)/i

/** After its outcome was told and its time to be told again is over, the same call is a new one. */
const NEW_CALL_AFTER_MS = 60_000

/** What a requester was told at a moment when the call had no outcome for it, and since when it was asking. */
export interface Claim {
  readonly text: string
  readonly sinceMs: number
}

/**
 * Who asks again for a call may be turned away, or be told that it goes on; but not that it has not run, when it had been sent
 * before they asked.
 */
export function brokenClaim({ approval, past, received }: Story, { text, sinceMs }: Claim): Broken[] {
  if (!SAYS_NOT_RUN.test(text) || !received.some(({ at }) => at <= sinceMs)) return []
  if (past.some(({ outcome, at }) => outcome !== null && at < sinceMs - NEW_CALL_AFTER_MS)) return []
  const said = `${approval.id} had been sent when somebody who asked for it was told: ${text.slice(0, 160)}`
  return [broken('I5', 'false "not sent"', said)]
}
