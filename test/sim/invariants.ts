/** The one checker: reads what really happened and what everyone was told, and names every promise that was broken. */
import { type Approval, askedParams, successorOf } from '../../src/domain/approval.ts'
import { authorise } from '../../src/domain/authority.ts'
import { decisionIn } from '../../src/domain/grant.ts'
import type { Person } from '../../src/domain/principal.ts'
import { isIn } from '../../src/domain/quorum.ts'
import { covers } from '../../src/domain/stop.ts'
import { brokenPromisesOf, brokenTelling, type Past, type Story } from '../support/promises.ts'
import { digestOfHit, type SimWorld } from './world.ts'

/** @returns broken promises in words; empty when all hold */
export async function brokenPromises(world: SimWorld): Promise<string[]> {
  const { ledger, told, history } = world
  const broken: string[] = []
  const approvals = await ledger.list({ statuses: null, principal: null, limit: 1_000, after: null })
  const stories = new Map<string, Story>()
  for (const approval of approvals) stories.set(approval.id, await storyOf(world, approval))

  broken.push(...wrongDecisions(world))
  broken.push(...unsaid(world))
  broken.push(...wrongVotes(world))
  broken.push(...world.underOldRules.map((what) => `I2: ${what} under a rule that was not in force any more`))

  broken.push(...(await wrongGrants(world)))
  broken.push(...wrongNudges(world))
  broken.push(...wrongRefusals(world))
  broken.push(...world.pastStops.map((what) => `I3: ${what} although it was stopped`))

  for (const story of stories.values()) broken.push(...brokenPromisesOf(story).map(inWords))
  for (const { approval } of stories.values()) {
    const next = approval.status === 'settled' ? successorOf(approval) : null
    if (next !== null && stories.get(next)?.approval.predecessor?.id !== approval.id)
      broken.push(`I4: ${approval.id} names the successor ${next}, which is not there`)
  }
  for (const { principal, call, approval, replyText, atStep } of told) {
    const story = stories.get(approval.id)
    if (story === undefined) continue
    const outcome = approval.status === 'settled' ? approval.outcome.kind : null
    if (JSON.parse(askedParams(approval)).arguments.call !== call)
      broken.push(`I8: whoever asked for call ${call} was told about ${approval.id}, which is another call`)
    broken.push(
      ...brokenTelling(story, { principal: principal.name, outcome, replyText }).map(
        (one) => `${inWords(one)} (told at step ${atStep})`,
      ),
    )
  }

  // Of the same unsettled call there is never more than one approval.
  const open = new Map<string, string>()
  for (const { approval } of history) {
    const { requester, server, tool } = approval.asked
    const key = JSON.stringify([requester.name, server, tool, askedParams(approval)])
    if (approval.status === 'settled') {
      if (open.get(key) === approval.id) open.delete(key)
    } else {
      const other = open.get(key)
      if (other !== undefined && other !== approval.id)
        broken.push(`I1: ${other} and ${approval.id} are the same call`)
      open.set(key, approval.id)
    }
  }
  return [...new Set(broken)]
}

const inWords = ({ invariant, text }: { invariant: string; text: string }) => `${invariant}: ${text}`

async function storyOf({ ledger, hits, history }: SimWorld, approval: Approval): Promise<Story> {
  return {
    approval,
    lateAfter: 0,
    replyText: await ledger.replyText(approval.id),
    trail: await ledger.auditTrail(approval.id),
    past: history.flatMap(({ approval: state, atStep }): Past[] => {
      if (state.id !== approval.id) return []
      return [
        {
          at: atStep,
          status: state.status,
          decidedDigest: state.status === 'approved' ? state.decision.digest : null,
          outcome: state.status === 'settled' ? state.outcome.kind : null,
        },
      ]
    }),
    received: hits.flatMap(({ approvalId, atStep, canonicalParams, reply }) =>
      approvalId === approval.id
        ? [{ at: atStep, digest: digestOfHit(approval, canonicalParams), reply }]
        : [],
    ),
  }
}

interface Given {
  readonly by: string
  readonly what: string
  readonly givenMs: number
  readonly untilMs: number
  readonly uses: number
  isEnded: boolean
  /** Calls that it covered, of which nobody knows that they were not sent. */
  readonly used: Set<string>
}

/** What has to be the same: here every argument but `call` may differ from nothing. */
function grantedWhat({ asked, proposed, asking }: Approval): string {
  const { arguments: args, ...rest } = JSON.parse(proposed.canonicalParams)
  const { call: _call, ...fixed } = args
  const { server, tool, requester } = asked
  return JSON.stringify([
    server,
    tool,
    requester,
    proposed.toolDefinitionDigest,
    asking.ruleDigest,
    rest,
    fixed,
  ])
}

/** Nobody who asks again while their call is being sent, and has been received, is told that it was not executed. */
function wrongRefusals({ refused, history, hits }: SimWorld): string[] {
  return refused.flatMap(({ askedAtStep, toldAtStep, attachKey }) => {
    const own = history.filter(({ approval }) => approval.asked.attachKey === attachKey)
    const last = (step: number) => own.findLast(({ atStep }) => atStep <= step)?.approval
    const [then, now] = [last(askedAtStep), last(toldAtStep)]
    const isSent = hits.some(({ approvalId, atStep }) => approvalId === then?.id && atStep <= askedAtStep)
    if (then?.status !== 'executing' || !isSent || isLookedAt(now)) return []
    return [`I5: whoever asked again for ${then.id}, which was being sent, was told that it was not executed`]
  })
}

/** A person has said since what became of it, or asked about it again. */
const isLookedAt = (approval: Approval | undefined) =>
  approval?.status === 'settled' &&
  approval.outcome.kind === 'indeterminate' &&
  (approval.outcome.annotations.length > 0 || approval.outcome.successor !== null)

const sendable = ['answered', 'indeterminate']

/** Every use of a grant, told from the states of the ledger alone: given, standing, for such a call, and not too often. */
async function wrongGrants({ history, ledger }: SimWorld): Promise<string[]> {
  const broken: string[] = []
  const stops = await ledger.stops.history(1_000, null)
  const given = new Map<string, Given>()
  const before = new Map<string, Approval>()
  for (const { approval, atMs } of history) {
    const { id, status, asked } = approval
    const last = before.get(id)
    before.set(id, approval)
    const decision = decisionIn(approval)
    const isDecided = last?.status === 'pending' && status === 'approved'
    const own = given.get(id)
    if (isDecided && decision !== null && decision.gives !== null) {
      const { uses, untilMs } = decision.gives
      const what = { by: decision.by, what: grantedWhat(approval), givenMs: atMs, untilMs, uses }
      if (approval.asking.grants === null) broken.push(`I2: with ${id} more was granted than its rule allows`)
      given.set(id, { ...what, isEnded: false, used: new Set() })
    } else if (own !== undefined && (decision === null || decision.gives?.ended !== null)) own.isEnded = true
    const under = decision?.under ?? lastUnder(last)
    if (under === null) continue
    const grant = given.get(under)
    const wrong = (what: string) => broken.push(`I2: ${id} ${what} under the grant ${under}`)
    if (grant === undefined) {
      wrong('was approved without it')
      continue
    }
    if (isDecided) {
      grant.used.add(id)
      if (grant.used.size > grant.uses) wrong('is one too many')
      if (grant.isEnded) wrong('was approved after its end')
      if (atMs >= grant.untilMs) wrong('was approved after its time')
      if (grant.what !== grantedWhat(approval)) wrong('is not such a call')
      if (decision?.by !== grant.by) wrong('has another decider')
      const call = { server: asked.server, tool: asked.tool, principal: asked.requester }
      const isStopped = stops.some(
        ({ scope, atMs: putMs }) => covers(scope, call) && putMs >= grant.givenMs && putMs < atMs,
      )
      if (isStopped) wrong('was approved after a stop')
    }
    if (status === 'executing' && last?.status === 'approved' && grant.isEnded)
      wrong('was sent after its end')
    if (status === 'settled' && !sendable.includes(approval.outcome.kind)) grant.used.delete(id)
  }
  return broken
}

const lastUnder = (last: Approval | undefined) =>
  last === undefined ? null : (decisionIn(last)?.under ?? null)

/** Each moment of a rule once, not before its time, and nothing once somebody has decided; each message at most once. */
function wrongNudges({ history, takenNudges, postedNudges }: SimWorld): string[] {
  const broken: string[] = []
  const before = new Map<string, Approval>()
  for (const { approval } of history) {
    const { id, nudges, createdAtMs } = approval
    const last = before.get(id)
    before.set(id, approval)
    const isNew = nudges.length > (last?.nudges.length ?? 0)
    if (isNew && last?.status !== 'pending') broken.push(`I3: people were called to ${id} after its end`)
    if (nudges.some(({ atMs, afterMs }) => atMs < createdAtMs + afterMs))
      broken.push(`I9: people were called to ${id} before the time`)
    const moments = nudges.map(({ kind, afterMs }) => `${kind} ${afterMs}`)
    if (new Set(moments).size !== moments.length)
      broken.push(`I9: people were called twice to ${id} for one moment`)
  }
  for (const { key, status } of takenNudges)
    if (status !== 'pending') broken.push(`I3: a reminder of ${key} was begun when it was ${status}`)
  if (new Set(postedNudges).size !== postedNudges.length) broken.push('I9: a reminder was posted twice')
  const taken = new Set(takenNudges.map(({ key }) => key))
  for (const key of postedNudges) if (!taken.has(key)) broken.push(`I9: ${key} was posted by nobody's right`)
  return broken
}

/** Every decision ever written, by the record as it was when it was asked: who, with what right, and in time. */
function wrongDecisions(world: SimWorld): string[] {
  const { history } = world
  const broken: string[] = []
  const asked = new Map<string, Approval>()
  const decided = new Set<string>()
  for (const { approval, atMs } of history) {
    const original = asked.get(approval.id) ?? approval
    asked.set(approval.id, original)
    if (JSON.stringify(approval.asked) !== JSON.stringify(original.asked))
      broken.push(`I2: what ${approval.id} asked for changed`)
    if (askedParams(approval) !== original.proposed.canonicalParams && original.edits.length === 0)
      broken.push(`I2: of ${approval.id} nobody can read any more what was asked`)
    const isDecidedAlready = decided.has(approval.id) && approval.status === 'approved'
    if (approval.status === 'approved') decided.add(approval.id)
    // Whoever takes a grant back writes the record once more, and decides nothing.
    if (approval.status === 'executing' || isDecidedAlready) continue
    const decision =
      approval.status === 'approved'
        ? approval.decision
        : approval.status === 'settled' && approval.outcome.kind === 'rejected'
          ? approval.outcome.decision
          : null
    if (decision === null) continue
    const answer = decision.kind === 'reject' ? 'reject' : 'approve'
    // Between the look at whoever gave a grant and the write there is no act of theirs.
    const looked = decision.under === null ? atMs : atMs - ACT_MS_MAX
    const candidates = wasLately(world, decision.by, decision.by, atMs, looked)
    const isRight = candidates.some((person) => {
      const right = authorise(person, answer, { ...original, status: 'pending' }, decision.atMs)
      return right.ok && right.value === decision.kind
    })
    if (!isRight) broken.push(`I6: ${approval.id} was decided without the right`)
    // Its own deadline: people may have moved it before they decided.
    if (atMs >= approval.expiresAtMs) broken.push(`I6: ${approval.id} was decided after its time`)
  }
  return broken
}

/** Yeses and noes that nobody gave: what the record says a person decided, that person said before, about these very bytes. */
function unsaid({ history, said }: SimWorld): string[] {
  return history.flatMap(({ approval, atStep }) => {
    const { id, votes } = approval
    const decision = decisionIn(approval)
    // Under a grant nobody says anything; whether it may be used is looked at by itself.
    const own = decision === null || decision.under !== null ? [] : [decision]
    const answers = [
      ...votes.map(({ by, digest }) => ({ by, digest, answer: 'approve' })),
      ...own.map(({ by, digest, kind }) => ({
        by,
        digest,
        answer: kind === 'reject' ? 'reject' : 'approve',
      })),
    ]
    return answers.flatMap(({ by, digest, answer }) => {
      const isSaid = said.some(
        (one) =>
          one.id === id &&
          one.by === by &&
          one.digest === digest &&
          one.answer === answer &&
          one.atStep <= atStep,
      )
      return isSaid ? [] : [`I6: ${by} never said ${answer} to ${id}`]
    })
  })
}

/** Longer than any process stands still between its look into the directory and its write. */
const ACT_MS_MAX = 60_000

/**
 * All that this person was while `writer` did what was written then: the directory is not in the ledger, so it may change
 * between the look into it and the write.
 */
function wasLately(
  { directories, acts }: SimWorld,
  id: string,
  writer: string,
  atMs: number,
  atLeastSinceMs = atMs,
): Person[] {
  const open = acts.filter(
    ({ people, begunMs, endedMs }) =>
      people.includes(writer) && begunMs >= atMs - ACT_MS_MAX && begunMs <= atMs && endedMs >= atMs,
  )
  const sinceMs = Math.min(atLeastSinceMs, ...open.map(({ begunMs }) => begunMs))
  return directories.flatMap(({ atMs: fromMs, people }, at) => {
    const untilMs = directories[at + 1]?.atMs ?? Number.POSITIVE_INFINITY
    const person = people.find((one) => one.id === id)
    return person !== undefined && fromMs <= atMs && untilMs >= sinceMs ? [person] : []
  })
}

/** Where several yeses are needed: each of another person, in their stage's turn, for these arguments, of an approver. */
function wrongVotes(world: SimWorld): string[] {
  const broken: string[] = []
  const before = new Map<string, Approval>()
  for (const { approval, atMs } of world.history) {
    const { id, votes, asking, asked, proposed, status } = approval
    const last = before.get(id)
    before.set(id, approval)
    if (asking.stages.length === 0) continue
    const wrong = (what: string) => broken.push(`I6: ${id}, ${what}`)
    const countIn = (stage: number) => votes.filter((vote) => vote.stage === stage).length
    if (new Set(votes.map(({ by }) => by)).size < votes.length) wrong('somebody counts twice')
    if (votes.some(({ by }) => by === asked.requester.owner)) wrong('the owner counts')
    if (votes.some(({ digest }) => digest !== proposed.digest)) wrong('a yes to other arguments counts')
    for (const vote of votes) {
      const isNew = last?.votes.some(({ by, stage }) => by === vote.by && stage === vote.stage) !== true
      const stage = asking.stages[vote.stage]
      const decides = status === 'approved' && last?.status === 'pending'
      const writer = status === 'approved' ? approval.decision.by : vote.by
      const mayNow = wasLately(world, vote.by, writer, atMs).some(
        (person) => stage !== undefined && isIn(stage, person),
      )
      if ((isNew || decides) && !mayNow) wrong(`${vote.by} is no approver of stage ${vote.stage + 1}`)
      const isInTurn = asking.stages.slice(0, vote.stage).every(({ quorum }, at) => countIn(at) >= quorum)
      if (isNew && !isInTurn) wrong(`stage ${vote.stage + 1} came before its turn`)
    }
    if (status === 'approved' && asking.stages.some(({ quorum }, stage) => countIn(stage) !== quorum))
      wrong('it was approved without all yeses')
  }
  return broken
}
