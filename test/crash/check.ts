/** The one checker: judges every call of a trial by the promises, and the agents' and people's own words against the ledger. */
import { z } from 'zod'
import { type Approval, successorOf } from '../../src/domain/approval.ts'
import { yesesWanted } from '../../src/domain/quorum.ts'
import { type Broken, brokenClaim, brokenPromisesOf, brokenTelling } from '../support/promises.ts'
import { type AgentCall, type Heard, textOf } from './agents.ts'
import { type CallStory, type LateAfter, type Standstill, storiesOf, strays } from './evidence.ts'
import { type AgentName, agentNames, type Lane } from './lane.ts'
import type { Done } from './people.ts'

export interface Transcript {
  readonly calls: readonly AgentCall[]
  readonly heard: readonly Heard[]
  readonly done: readonly Done[]
  /** Agents that were to stay until they knew, and did not get to know in time. */
  readonly unanswered: readonly string[]
}

/**
 * On a busy machine a request may be read so much later than it was written. A process that stands still exactly between its
 * last look at its lease and the first byte sends later still, when it goes on: nothing can prevent that, and the outcome says
 * by then that nobody knows, so nothing that was said is false.
 */
const LATE_MS = 1_000

export const nobodyLate: LateAfter = () => LATE_MS
export const anybodyLate: LateAfter = () => Number.POSITIVE_INFINITY

/** In a storm a dozen processes start at once beside the one that reads, so that everything takes longer. */
const LATE_IN_STORM_MS = 5_000

/** Only a process that stood still after its claim can have done so between the look and the first byte. */
export const lateAfterStandstill =
  (standstills: readonly Standstill[]): LateAfter =>
  ({ node, atMs }) =>
    standstills.some(({ pid, untilMs }) => node.includes(`-${pid}-`) && untilMs >= atMs)
      ? Number.POSITIVE_INFINITY
      : LATE_IN_STORM_MS

export async function check(lane: Lane, transcript: Transcript, lateAfter: LateAfter): Promise<Broken[]> {
  const { calls, heard, done, unanswered } = transcript
  const found: Broken[] = unanswered.map((marker) =>
    lost(`the agent of ${marker} never got to know its outcome`),
  )
  for (const marker of new Set(calls.map((call) => call.marker))) {
    const stories = await storiesOf(lane, marker, lateAfter)
    for (const story of stories) found.push(...brokenPromisesOf(story), ...more(story))
    const stray = strays(lane, marker, stories)
    if (stray > 0)
      found.push({
        invariant: 'I2',
        harm: 'unapproved',
        text: `${stray} requests of ${marker} belong to no approval`,
      })
    for (const one of heard.filter((other) => other.marker === marker))
      found.push(...brokenWord(one, stories))
    for (const act of done.filter((other) => other.marker === marker)) found.push(...brokenDeed(act, stories))
    const owner = calls.find((call) => call.marker === marker)?.agent
    const gateway = lane.gateways()[0]
    if (owner === undefined || gateway === undefined) continue
    for (const story of stories)
      found.push(...(await brokenReading(lane, gateway.url, story, stories, owner)))
  }
  return found
}

const lost = (text: string): Broken => ({ invariant: 'I4', harm: 'lost', text })

/** What only the ledger's own tables show. */
function more(story: CallStory): Broken[] {
  const { approval, received, isClaimed, approvedBy } = story
  const { id } = approval
  const found: Broken[] = []
  if (received.length > 0 && !isClaimed)
    found.push({ invariant: 'I1', harm: 'double', text: `${id} was sent without a claim` })
  const { stages } = approval.asking
  if (approvedBy !== null && stages.length === 0 && approvedBy !== 'mina')
    found.push({ invariant: 'I6', harm: 'unapproved', text: `${id} was approved by ${approvedBy}` })
  if (stages.length > 0 && received.length > 0) {
    const yeses = new Set(
      story.trail.flatMap(({ payload }) => yesBy.safeParse(JSON.parse(payload)).data?.details.by ?? []),
    )
    if (yeses.size < yesesWanted(stages))
      found.push({
        invariant: 'I6',
        harm: 'unapproved',
        text: `${id} was sent on the yes of ${[...yeses].join()}`,
      })
  }
  return found
}

const yesBy = z.object({
  event: z.literal('decide'),
  details: z.object({ by: z.string(), decision: z.literal('approve') }),
})

/** What an agent heard must be about its own call, and what the ledger says. */
function brokenWord(heard: Heard, stories: readonly CallStory[]): Broken[] {
  const { agent, marker, sinceMs, refusal, id, outcome, result } = heard
  if (refusal !== null) return stories.flatMap((story) => brokenClaim(story, { text: refusal, sinceMs }))
  const text = textOf(result)
  if (id === null) {
    // The upstream answers with the very arguments, so that an answer says whose it is.
    const own = stories.find((story) => story.replyText !== null && isSameAnswer(story.replyText, result))
    if (own !== undefined)
      return brokenTelling(own, { principal: agent, outcome: 'answered', replyText: own.replyText })
    const harm = text.includes(marker) ? 'untrue' : 'wrong recipient'
    return [{ invariant: 'I8', harm, text: `${agent} got another answer to ${marker}: ${text.slice(0, 80)}` }]
  }
  const story = stories.find(({ approval }) => approval.id === id)
  if (story === undefined)
    return [
      {
        invariant: 'I8',
        harm: 'wrong recipient',
        text: `${agent} was told about ${id}, which is not ${marker}`,
      },
    ]
  const told = outcomes.safeParse(outcome)
  // The answer to an edited call says so in a first item of its own; the rest is the upstream's, word for word.
  const { replyText } = story
  const isWhole =
    replyText !== null && isSameAnswer(replyText, { ...result, content: result.content.slice(1) })
  return [
    // A ticket that goes on: whether it is said rightly that it has not run so far.
    ...(told.success ? [] : brokenClaim(story, { text, sinceMs })),
    ...brokenTelling(story, {
      principal: agent,
      outcome: told.success ? told.data : null,
      replyText: isWhole ? replyText : null,
    }),
  ]
}

const outcomes = z.enum([
  'answered',
  'rejected',
  'expired',
  'lapsed',
  'cancelled',
  'invalidated',
  'not_sent',
  'indeterminate',
])

function isSameAnswer(replyText: string, result: Heard['result']): boolean {
  const reply: unknown = JSON.parse(replyText)
  const said = z
    .looseObject({ content: z.array(z.looseObject({ text: z.string().optional() })) })
    .safeParse(reply)
  return (
    said.success &&
    said.data.content.map(({ text }) => text).join() === result.content.map(({ text }) => text).join()
  )
}

/** Who was told that an act is done finds it in the audit. */
function brokenDeed({ act, marker }: Done, stories: readonly CallStory[]): Broken[] {
  const event = eventOf(act)
  if (stories.some(({ trail }) => trail.some(({ payload }) => payload.includes(event)))) return []
  return [lost(`mina was told that "${act}" of ${marker} was done, and nothing of it is in the ledger`)]
}

function eventOf(act: Done['act']): string {
  switch (act) {
    case 'approve':
    case 'reject':
      return `"decision":"${act}"`
    case 'grant':
      return '"decision":"approve"'
    case 'take-back':
      return '"event":"take_back"'
    case 'cancel':
    case 'edit':
    case 'extend':
      return `"event":"${act}"`
  }
}

const callView = z.object({
  outcome: z.object({ kind: z.string() }).nullable(),
  reply: z.unknown().optional(),
})

/** Where the rule changed, whoever holds the earlier ticket reads of the one that took its place. */
function standingFor(approval: Approval, stories: readonly CallStory[]): Approval {
  const next = approval.status === 'settled' ? successorOf(approval) : null
  const story = stories.find((one) => one.approval.id === next)
  return story === undefined ? approval : standingFor(story.approval, stories)
}

/** Its requester can read the outcome, and nobody else learns that there is one. */
async function brokenReading(
  lane: Lane,
  url: string,
  story: CallStory,
  stories: readonly CallStory[],
  owner: AgentName,
): Promise<Broken[]> {
  const { approval } = story
  const read = (agent: AgentName) =>
    fetch(`${url}/api/v1/calls/${approval.id}`, {
      headers: { authorization: `Bearer ${lane.tokens[agent]}` },
    })
  const found: Broken[] = []
  const own = await read(owner)
  const view = callView.safeParse(await own.json())
  const now = standingFor(approval, stories)
  const kind = now.status === 'settled' ? now.outcome.kind : null
  if (!own.ok || !view.success || (view.data.outcome?.kind ?? null) !== kind)
    found.push(lost(`${owner} cannot read the outcome of ${approval.id}`))
  for (const other of agentNames.filter((name) => name !== owner)) {
    const foreign = await read(other)
    if (foreign.status !== 404)
      found.push({
        invariant: 'I8',
        harm: 'wrong recipient',
        text: `${other} can read ${approval.id} of ${owner}`,
      })
    await foreign.arrayBuffer()
  }
  return found
}
