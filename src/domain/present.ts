/**
 * An approval as a person should see it, as data for every surface: what would run, in full, who asks, why, until when,
 * and what a yes would do now. Text from agents, upstreams and people is made visible here, once.
 */
import { actorText } from './actor.ts'
import type {
  Approval,
  Asked,
  Asking,
  Decision,
  Edit,
  InstantMs,
  Outcome,
  Pending,
  Predecessor,
  Proposed,
  Vote,
} from './approval.ts'
import { decidersOf, wayWhenGone } from './approval.ts'
import { approversAt, authorise, type Unauthorised } from './authority.ts'
import { shortDigest } from './canonical.ts'
import { editOf, type ShownEdit } from './edited-text.ts'
import { type EvidenceLine, evidenceLines } from './evidence-text.ts'
import { beingRead, type ShownLookup, shownLookup, withheldLookup } from './lookup-text.ts'
import type { Lookup } from './lookups.ts'
import type { Nudge } from './nudges.ts'
import type { OnClientGone } from './policy/rule.ts'
import type { ApproverChain } from './policy.ts'
import type { Person } from './principal.ts'
import { nobodyKnown, standingOf, turnOf, yesesWanted } from './quorum.ts'
import { namesText, progressText, turnText } from './quorum-text.ts'
import type { Risk } from './risk.ts'
import { jsonMembers, visible, visibleJson } from './visible.ts'

/** What has to be known about an approval to show it. Every `Approval` is one. */
export type Presentable = {
  readonly id: string
  readonly asked: Pick<Asked, 'requester' | 'client' | 'server' | 'tool'>
  readonly proposed: Pick<Proposed, 'canonicalParams' | 'toolTitle' | 'digest'>
  readonly edits: readonly Edit[]
  readonly asking: Omit<Asking, 'ruleDigest' | 'lookups'>
  readonly votes: readonly Vote[]
  readonly predecessor: (Omit<Predecessor, 'id'> & { readonly id: string }) | null
  readonly like: { readonly id: string; readonly differs: readonly string[] } | null
  readonly nudges: readonly Pick<Nudge, 'kind' | 'atMs'>[]
  /** `null`: it is still being read. */
  readonly lookups: readonly Lookup[] | null
  readonly createdAtMs: InstantMs
  readonly expiresAtMs: InstantMs
} & (
  | { readonly status: 'pending' }
  | { readonly status: 'approved'; readonly decision: Decision; readonly startByMs: InstantMs }
  | { readonly status: 'executing'; readonly decision: Decision }
  | { readonly status: 'settled'; readonly outcome: Outcome; readonly settledAtMs: InstantMs }
)

export interface Beholder {
  readonly nowMs: InstantMs
  /** Whether somebody could receive the outcome at this moment. */
  readonly isRequesterWaiting: boolean
  /** How long after a yes the call may still begin. */
  readonly startWithinMs: number
  /** An instant in the words of the surface: local time in a terminal, Slack's own date mark in a card. */
  when(atMs: InstantMs): string
  /** What is drawn stays for hours, as in a card: a span that begins now would soon be wrong. */
  readonly isStill?: boolean
  /** It is too large for the surface to be laid out there; the surface says so. */
  readonly isWithoutSections?: boolean
  /** Everybody who sees it may read what the server answered (`mayReadReply`); otherwise only that it was read is shown. */
  readonly readsLookups?: boolean
}

export interface Presented {
  readonly ticket: string
  readonly risk: { readonly level: Risk; readonly word: string }
  readonly title: string
  readonly state: string
  readonly fields: readonly { readonly label: string; readonly text: string }[]
  /** Everything that would be sent besides the tool's name, line by line, never shortened. */
  readonly sections: readonly {
    readonly label: string
    readonly bytes: number
    readonly lines: readonly string[]
  }[]
  /** What people made of it; `null`: it is what the agent asked for. */
  readonly edit: ShownEdit | null
  /** What the server says about the matter, or only that it was read. It is no part of what is approved. */
  readonly lookups: readonly ShownLookup[]
  /** Of a call whose end nobody knows; empty for every other one. */
  readonly evidence: readonly EvidenceLine[]
  readonly digest: { readonly short: string; readonly full: string }
  readonly expiresAtMs: InstantMs
}

export const riskWords: Readonly<Record<Risk, string>> = {
  low: 'Low',
  medium: 'Medium',
  high: 'High',
  critical: 'Critical',
}

export function present(approval: Presentable, beholder: Beholder): Presented {
  const { asked, proposed, asking } = approval
  const { requester } = asked
  const tool = visible(asked.tool)
  const field = (label: string, text: string) => ({ label, text })
  const lines = (label: string, text: string) => (text === '' ? [] : [field(label, text)])
  const edit = editOf(approval, beholder.when)
  return {
    ticket: approval.id,
    risk: { level: asking.risk, word: riskWords[asking.risk] },
    title: proposed.toolTitle === null ? tool : `${visible(proposed.toolTitle)} (${tool})`,
    state: stateText(approval, beholder),
    fields: [
      field('Server', visible(asked.server)),
      field('Tool', tool),
      field('Asked by', `${visible(requester.name)}, for whom ${visible(requester.owner)} answers`),
      field('Client', asked.client === null ? 'did not say' : `${visible(asked.client)} (as it says itself)`),
      ...(edit === null ? [] : [field('Edited', edit.text)]),
      field('Why it asks', whyText(asking)),
      ...(approval.predecessor === null ? [] : [field('Asked again', askedAgainText(approval.predecessor))]),
      ...(approval.like === null ? [] : [field('Like', likeText(approval.like))]),
      field('Who may decide', decidersText(approval, beholder.nowMs)),
      ...(asking.reasonRequired && approval.status === 'pending'
        ? [field('It takes', 'a reason, with a yes and with a no')]
        : []),
      ...lines('Granted', grantedText(approval, beholder)),
      ...lines('Escalation', escalationText(approval, beholder)),
      ...lines('Reminders', remindersText(approval, beholder)),
      ...(approval.status === 'pending' ? [field('Decide by', deadlineText(approval, beholder))] : []),
      ...(approval.status === 'pending' ? [field('A yes now', yesMeans(approval, beholder))] : []),
    ],
    sections: jsonMembers(beholder.isWithoutSections === true ? '{}' : proposed.canonicalParams)
      .filter((member) => member.name !== 'name')
      .map(({ name, text }) => ({
        label: name === 'arguments' ? 'Arguments' : visible(name),
        bytes: new TextEncoder().encode(text).length,
        lines: visibleJson(text),
      })),
    edit,
    lookups: lookupsOf(approval, beholder),
    evidence: evidenceOf(approval, beholder),
    digest: { short: shortDigest(proposed.digest), full: proposed.digest },
    expiresAtMs: approval.expiresAtMs,
  }
}

/** Whether this person may say yes, and the word for it: an owner's own yes is never called an approval. */
export type Yes =
  | { readonly kind: 'offered'; readonly word: 'Approve' | 'Confirm' }
  | { readonly kind: 'withheld'; readonly because: string }

export function yesOf(approval: Approval, person: Person, nowMs: InstantMs): Yes {
  if (approval.status !== 'pending') return { kind: 'withheld', because: 'It is decided already.' }
  if (nowMs >= approval.expiresAtMs) return { kind: 'withheld', because: 'It is too late to decide.' }
  const kind = authorise(person, 'approve', approval, nowMs)
  const turn = kind.ok ? waitsForOthers(approval, person, nowMs) : null
  if (turn !== null) return { kind: 'withheld', because: turn }
  if (!kind.ok) {
    return { kind: 'withheld', because: unauthorisedText(kind.error, approval.asked.requester.owner) }
  }
  return { kind: 'offered', word: kind.value === 'confirm' ? 'Confirm' : 'Approve' }
}

/** Why a yes of this approver would not count now. `null`: it would. */
function waitsForOthers(approval: Pending, person: Person, nowMs: InstantMs): string | null {
  const { asking, votes } = approval
  if (asking.stages.length === 0) return null
  const turn = turnOf(asking.stages, votes, person.id, standingOf(person, approval, nobodyKnown, nowMs))
  return turn.kind === 'counts' ? null : turnText(turn, asking.stages, votes)
}

/** How an approval ended, in plain words. Says "nothing was sent" only where that is certain. */
export function outcomeText(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'answered': {
      const { kind, isError, isTask, bytes } = outcome.reply
      if (isTask === true)
        return (
          `${decisionText(outcome.decision)}. It was sent once; the server accepted it as a task of its own, and the agent ` +
          'collects there how it ends.'
        )
      // An error need not mean that the tool ran: the server may have refused the request.
      const end =
        kind === 'error'
          ? 'It was sent once; the server answered with an error'
          : `It ran once; ${isError ? 'the tool says that it failed' : 'the server answered'}`
      return `${decisionText(outcome.decision)}. ${end} (${bytes} bytes).`
    }
    case 'rejected':
      return `${decisionText(outcome.decision)}. Nothing was sent.`
    case 'expired':
      return 'Nobody decided in time. Nothing was sent.'
    case 'lapsed':
      return `${decisionText(outcome.decision)}, but the agent was not there in time to receive the result. Nothing was sent.`
    case 'cancelled':
      return `Withdrawn by ${actorText(outcome.by)}${because(outcome.reason)}. Nothing was sent.`
    case 'invalidated':
      return `No longer valid: ${visible(outcome.change)}. Nothing was sent.${outcome.successor === null ? '' : ` People are asked again: ${outcome.successor}.`}`
    case 'not_sent':
      return `${decisionText(outcome.decision)}, but it could not be sent: ${visible(outcome.reason)}. Certainly nothing was sent.`
    case 'indeterminate': {
      const sent = `${decisionText(outcome.decision)} and perhaps sent; nobody can know whether it happened: ${visible(outcome.reason)}. It will not be sent again.`
      const found = outcome.annotations.map(
        ({ finding, by, note }) =>
          ` ${visible(by)} looked: it ${finding === 'happened' ? 'happened' : 'did not happen'}${because(note)}.`,
      )
      const again = outcome.successor === null ? '' : ` It is asked again as ${outcome.successor}.`
      return (found.length === 0 ? `${sent} A person has to look.` : sent + found.join('')) + again
    }
  }
}

/** Who may decide at this moment, and how many of them it takes. */
export function decidersText(approval: Presentable, nowMs: InstantMs): string {
  const { asking, asked } = approval
  const { stages } = asking
  const { owner } = asked.requester
  const chain = approversAt(approval, nowMs)
  if (stages.length === 0) return approversText(chain, owner)
  const several = stages.map((stage, at) => {
    const of = stages.length === 1 ? '' : `stage ${at + 1}: `
    return `${of}${stage.quorum} of ${approversText({ ...stage, selfConfirm: false }, owner, false)}`
  })
  const joined = {
    groups: chain.groups.filter((group) => !asking.approvers.groups.includes(group)),
    people: chain.people.filter((person) => !asking.approvers.people.includes(person)),
    selfConfirm: false,
  }
  const called =
    joined.groups.length + joined.people.length === 0
      ? ''
      : `; in their place also ${approversText(joined, owner, false)}`
  return `${several.join('; ')}${called}; each a different person, never the owner of the agent; one no denies it`
}

const decisionWords = { approve: 'Approved', confirm: 'Confirmed by the owner', reject: 'Denied' } as const

export function decisionText(
  decision: Pick<Decision, 'kind' | 'by' | 'reason' | 'with'> & Partial<Pick<Decision, 'under'>>,
): string {
  const { kind, reason, under = null } = decision
  const by = namesText(decidersOf(decision))
  if (under !== null) return `Approved by the grant that ${by} gave with ${under}${because(reason)}`
  const said = kind === 'confirm' ? `${decisionWords[kind]}, ${by}` : `${decisionWords[kind]} by ${by}`
  return said + because(reason)
}

/**
 * Names who may decide. The owner of the asking agent is left out, unless their own yes counts. Who is in a group is not known
 * here, so a group comes with the rule, which holds either way; to name the owner would say that they are in it.
 */
export function approversText(
  { groups, people, selfConfirm }: ApproverChain,
  owner: string,
  isWithRule = true,
): string {
  const may = [
    ...groups.map((group) => `anyone in ${visible(group)}`),
    ...people.filter((person) => person !== owner).map((person) => visible(person)),
  ]
  const rule = isWithRule && groups.length > 0 && !selfConfirm ? '; never the owner of the agent' : ''
  const others = may.length === 0 ? '' : may.join(', ') + rule
  const self = selfConfirm ? `${visible(owner)} may confirm as the owner` : ''
  return [others, self].filter((part) => part !== '').join('; ') || 'nobody: no approver is configured'
}

/** Why a person's yes or no does not count here. */
export function unauthorisedText(why: Unauthorised, owner: string): string {
  if (why.reason === 'owner_unknown') {
    return 'Nobody may approve this: it is not known which person answers for the agent, and they must not decide about its calls.'
  }
  const who = `${approversText(why.approvers, owner)}.`
  switch (why.reason) {
    case 'own_call':
      return `You answer for the agent that asks, so somebody else has to decide. Who may decide: ${who}`
    case 'not_an_approver':
      return `You are not an approver of this call. Who may decide: ${who}`
    case 'not_yet': {
      const from = new Date(why.fromMs).toISOString().slice(0, 16).replace('T', ' ')
      return `You may decide about this in ${spanText(why.fromMs - why.nowMs)} (from ${from} UTC), if nobody has by then. Who may decide now: ${who}`
    }
  }
}

/** A span in the two units people say: `3 h 59 min`. */
export function spanText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return minutes < 5 ? `${minutes} min ${seconds % 60} s` : `${minutes} min`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return `${hours} h ${minutes % 60} min`
  return `${Math.floor(hours / 24)} d ${hours % 24} h`
}

function lookupsOf(approval: Presentable, { when, readsLookups }: Beholder): readonly ShownLookup[] {
  const { lookups, status } = approval
  const shownAs = (lookup: Lookup) => (readsLookups === true ? shownLookup : withheldLookup)(lookup, when)
  if (lookups === null && status === 'pending') return [beingRead]
  const before = (lookups ?? []).map(shownAs)
  if (status !== 'settled' || approval.outcome.kind !== 'indeterminate') return before
  const { lookupsAfter } = approval.outcome.evidence
  const after = lookupsAfter === null ? [beingRead] : lookupsAfter.map(shownAs)
  return [...before, ...after.map((shown) => ({ ...shown, label: `${shown.label} (afterwards)` }))]
}

function evidenceOf(approval: Presentable, { when }: Beholder): readonly EvidenceLine[] {
  if (approval.status !== 'settled' || approval.outcome.kind !== 'indeterminate') return []
  return evidenceLines(approval.outcome.evidence, when)
}

function stateText(approval: Presentable, { nowMs, isRequesterWaiting, when }: Beholder): string {
  switch (approval.status) {
    case 'pending':
      return nowMs < approval.expiresAtMs
        ? (progressText(approval.asking.stages, approval.votes) ?? 'Waiting for a decision')
        : 'Too late to decide; nothing was sent'
    case 'approved':
      return `${decisionText(approval.decision)}, not run yet; ${
        isRequesterWaiting ? 'it is about to run' : notThere(wayWhenGone(approval), when(approval.startByMs))
      }`
    case 'executing':
      return `${decisionText(approval.decision)}; it is being sent now`
    case 'settled':
      return outcomeText(approval.outcome)
  }
}

function notThere(way: OnClientGone, until: string): string {
  switch (way) {
    case 'execute':
      return `it runs without the agent, until ${until}`
    case 'cancel':
      return 'the agent is gone; it runs only if the agent is back at once, otherwise the rule withdraws it'
    case 'wait':
      return `it runs when the agent returns, until ${until}`
  }
}

/** What was allowed besides this call. */
function grantedText(approval: Presentable, { when }: Beholder): string {
  const decision =
    approval.status === 'pending'
      ? null
      : approval.status === 'settled'
        ? 'decision' in approval.outcome
          ? approval.outcome.decision
          : null
        : approval.decision
  const gives = decision?.gives ?? null
  if (gives === null) return ''
  const ended = gives.ended === null ? '' : `; ended by ${visible(gives.ended.by)} ${when(gives.ended.atMs)}`
  return `up to ${gives.uses} more of such calls, until ${when(gives.untilMs)}${ended}`
}

function whyText({ reason, rule }: Pick<Asking, 'reason' | 'rule'>): string {
  return reason === null ? `the rule ${visible(rule)}` : `${visible(reason)} (rule ${visible(rule)})`
}

/** The agent had asked for nearly the same, and that one waited still. */
const likeText = ({ id, differs }: { id: string; differs: readonly string[] }) =>
  `${id}, which waited when this one was asked; it differs in ${differs.map((pointer) => visible(pointer)).join(', ')}`

/** Why there is another ticket for a call that people may have seen before. */
const askedAgainText = ({
  id,
  difference,
  why,
}: {
  id: string
  difference: string
  why: Predecessor['why']
}) =>
  why === 'unknown_end'
    ? `it may have been sent before, as ${visible(id)}, and ${visible(difference)}; a yes here sends it, perhaps for the second time`
    : `the rule changed while ${visible(id)} was open (${visible(difference)}); what was said about that one does not count here`

function deadlineText({ expiresAtMs }: Presentable, { nowMs, when, isStill }: Beholder): string {
  const left = expiresAtMs - nowMs
  return left > 0
    ? `${when(expiresAtMs)}${isStill === true ? '' : `, in ${spanText(left)}`}; without a decision it expires and nothing is sent`
    : `${when(expiresAtMs)}; that time is over`
}

function yesMeans(
  approval: Pick<Presentable, 'asking' | 'votes' | 'predecessor'>,
  { isRequesterWaiting, nowMs, startWithinMs, when, isStill }: Beholder,
): string {
  const { stages } = approval.asking
  const onClientGone = wayWhenGone(approval)
  const others = yesesWanted(stages) - approval.votes.length - 1
  if (others > 0) {
    return `it counts as one of ${yesesWanted(stages)}; nothing runs before ${others} more ${others === 1 ? 'is' : 'are'} there`
  }
  if (isRequesterWaiting) return 'it runs at once, exactly as shown'
  if (onClientGone === 'execute') {
    return 'it runs at once without the agent, which is gone and can collect the result; exactly as shown'
  }
  if (onClientGone === 'cancel') {
    return 'it runs only if the agent, which is gone, is back at once; otherwise the rule withdraws it'
  }
  const until =
    isStill === true ? `within ${spanText(startWithinMs)} of the yes` : `until ${when(nowMs + startWithinMs)}`
  return `it runs when the agent returns, ${until}, exactly as shown`
}

/** Who may decide as well, from when on; what never came is left out once it is over. */
function escalationText(approval: Presentable, { nowMs, when }: Beholder): string {
  const { asking, createdAtMs } = approval
  return asking.escalation
    .map(({ afterMs, groups, people }) => ({ fromMs: createdAtMs + afterMs, groups, people }))
    .filter(({ fromMs }) => fromMs < endOf(approval))
    .map(({ fromMs, groups, people }) => {
      const named = [...groups.map((group) => `anyone in ${visible(group)}`), ...people.map(visible)]
      return `${fromMs <= nowMs ? 'since' : 'from'} ${when(fromMs)} also ${named.join(', ')}`
    })
    .join('; ')
}

const endOf = (approval: Presentable): InstantMs => {
  switch (approval.status) {
    case 'pending':
      return approval.expiresAtMs
    case 'approved':
    case 'executing':
      return approval.decision.atMs
    case 'settled':
      return approval.settledAtMs
  }
}

/** When people were reminded, and when they will be. */
function remindersText(approval: Presentable, { when }: Beholder): string {
  const { asking, createdAtMs, expiresAtMs, nudges, status } = approval
  const done = nudges.filter(({ kind }) => kind === 'reminder').map(({ atMs }) => atMs)
  const [next] = asking.remindersMs
    .map((afterMs) => createdAtMs + afterMs)
    .filter((atMs) => atMs < expiresAtMs && atMs > (done.at(-1) ?? 0))
  return [
    ...(done.length === 0 ? [] : [`sent ${done.map(when).join(', ')}`]),
    ...(status === 'pending' && next !== undefined ? [`the next ${when(next)}`] : []),
  ].join('; ')
}

const because = (reason: string | null) => (reason === null || reason === '' ? '' : `: “${visible(reason)}”`)
