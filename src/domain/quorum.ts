/**
 * Several yeses: stages in their order, each of so many different people. Which yes counts where, and what is still missing.
 * An empty list of stages means that one yes of any approver decides. Nobody counts twice, also not in two stages.
 */
import type { InstantMs, Pending, Vote } from './approval.ts'
import type { EscalationStep, Stage } from './policy/rule.ts'
import type { Person } from './principal.ts'

/** Yeses that one call may need: more people than this are not a decision but a poll, and each takes a place in the record. */
export const YESES_MAX = 20
/** Stages of one rule: each waits for the one before it, and the deadline is for all of them. */
export const STAGES_MAX = 5

export const yesesWanted = (stages: readonly Stage[]): number =>
  stages.length === 0 ? 1 : stages.reduce((sum, { quorum }) => sum + quorum, 0)

/** Who may say yes in this stage; the owner of the asking agent never may. */
export const isIn = (
  { groups, people }: Pick<Stage, 'groups' | 'people'>,
  { id, groups: own }: Person,
): boolean => people.includes(id) || own.some((group) => groups.includes(group))

/** What is known of a person who says yes, and of those who said it before, at the moment when it is written. */
export interface Standing {
  /** Stages (from 0) in which the person may say yes. */
  readonly stages: readonly number[]
  /** Who of those whose yes is in the record still may in the stage in which it counts. */
  readonly voters: readonly string[]
  /** A later stage (from 0) that could not be completed any more, if their yes counted in the one that is asked now. */
  readonly keptFor: number | null
}

/** Whoever an escalation has called may say yes in every stage: they stand in for people who do not answer. */
export function standingOf(
  person: Person,
  approval: Pick<Pending, 'asked' | 'asking' | 'votes' | 'createdAtMs'>,
  { person: personOf, people }: Known,
  nowMs: InstantMs,
): Standing {
  const { asked, asking, votes, createdAtMs } = approval
  const called = asking.escalation.filter(({ afterMs }) => createdAtMs + afterMs <= nowMs)
  const may = (who: Person | null, stage: Stage | undefined) =>
    who !== null &&
    stage !== undefined &&
    who.id !== asked.requester.owner &&
    [stage, ...called].some((some) => isIn(some, who))
  return {
    stages: asking.stages.flatMap((stage, number) => (may(person, stage) ? [number] : [])),
    voters: votes.flatMap(({ by, stage }) => (may(personOf(by), asking.stages[stage]) ? [by] : [])),
    keptFor: neededLater(person, approval, people(), called),
  }
}

/** The people of the directory, as far as a surface knows them: without them nothing is known of who else could say yes. */
export interface Known {
  person(id: string): Person | null
  people(): readonly Person[]
}

export const nobodyKnown: Known = { person: () => null, people: () => [] }

/**
 * Nobody counts twice, so that a yes in this stage can take away the only one that a later stage could have. It is looked at
 * with the people who may now, and only where they could not complete it anyway, with those whom an escalation calls later.
 * @returns the later stage (from 0); `null`: the yes takes nothing away
 */
function neededLater(
  person: Person,
  { asked, asking, votes }: Pick<Pending, 'asked' | 'asking' | 'votes'>,
  people: readonly Person[],
  called: readonly EscalationStep[],
): number | null {
  const { stages, escalation } = asking
  const now = stageNow(stages, votes)
  if (now >= stages.length - 1) return null
  const said = new Set([asked.requester.owner, ...votes.map(({ by }) => by)])
  const able = people.filter(({ id }) => !said.has(id))
  const others = able.filter(({ id }) => id !== person.id)
  for (const steps of [called, escalation]) {
    const left = stages.map((stage, number) => ({
      groups: [...stage.groups, ...steps.flatMap(({ groups }) => groups)],
      people: [...stage.people, ...steps.flatMap((step) => step.people)],
      quorum: stage.quorum - saidIn(votes, number).length,
    }))
    if (!canBeMet(left, able)) continue
    const after = left.map((stage, at) => (at === now ? { ...stage, quorum: stage.quorum - 1 } : stage))
    const missing = after.findIndex((_stage, at) => !canBeMet(after.slice(0, at + 1), others))
    return missing === -1 ? null : missing
  }
  return null
}

const saidIn = (votes: readonly Vote[], stage: number) => votes.filter((vote) => vote.stage === stage)

/** The stage (from 0) that is asked now: the first that misses a yes. `stages.length`: none does. */
export function stageNow(stages: readonly Stage[], votes: readonly Vote[]): number {
  const missing = stages.findIndex(({ quorum }, number) => saidIn(votes, number).length < quorum)
  return missing === -1 ? stages.length : missing
}

/** When this person's right to the stage that is asked now began: with the call, or with the escalation by which they stand in. */
export function turnFromMs(
  person: Person,
  { asking, votes, createdAtMs }: Pick<Pending, 'asking' | 'votes' | 'createdAtMs'>,
  nowMs: InstantMs,
): InstantMs {
  const stage = asking.stages[stageNow(asking.stages, votes)]
  if (stage === undefined || isIn(stage, person)) return createdAtMs
  const fromMs = createdAtMs + (asking.escalation.find((step) => isIn(step, person))?.afterMs ?? 0)
  // Until then it is simply not their turn.
  return fromMs <= nowMs ? fromMs : createdAtMs
}

/** What a person's yes would be now. */
export type Turn =
  | { readonly kind: 'counts'; readonly stage: number }
  /** They said it already, and nobody counts twice. */
  | { readonly kind: 'said' }
  /** An earlier stage is asked first. */
  | { readonly kind: 'not_yet' }
  /** Their stage has all the yeses it needs. */
  | { readonly kind: 'not_needed' }
  /** A later stage (from 0) needs it, because nobody else is left for it. */
  | { readonly kind: 'kept'; readonly stage: number }

export function turnOf(
  stages: readonly Stage[],
  votes: readonly Vote[],
  person: string,
  { stages: mine, keptFor }: Pick<Standing, 'stages' | 'keptFor'>,
): Turn {
  if (votes.some(({ by }) => by === person)) return { kind: 'said' }
  const now = stageNow(stages, votes)
  if (mine.includes(now)) {
    return keptFor === null ? { kind: 'counts', stage: now } : { kind: 'kept', stage: keptFor }
  }
  return { kind: mine.some((stage) => stage > now) ? 'not_yet' : 'not_needed' }
}

/** How far it has come. `null`: one yes decides, so there is nothing to count. */
export interface Progress {
  /** From 0. */
  readonly stage: number
  readonly stages: number
  /** Who said yes in the stage that is asked now, in order. */
  readonly said: readonly string[]
  readonly wanted: number
  readonly missing: number
  /** Whom it asks now. */
  readonly asks: Stage
}

export function progressOf(stages: readonly Stage[], votes: readonly Vote[]): Progress | null {
  const stage = Math.min(stageNow(stages, votes), stages.length - 1)
  const asks = stages[stage]
  if (asks === undefined) return null
  const said = saidIn(votes, stage).map(({ by }) => by)
  const missing = Math.max(0, asks.quorum - said.length)
  return { stage, stages: stages.length, said, wanted: asks.quorum, missing, asks }
}

/** Whether these people could give all yeses, each at most one: a matching of people and places (Kuhn). */
export function canBeMet(stages: readonly Stage[], people: readonly Person[]): boolean {
  const places = stages.flatMap((stage) => Array.from({ length: Math.max(0, stage.quorum) }, () => stage))
  const placeOf = new Map<string, number>()
  function seat(place: number, tried: Set<string>): boolean {
    const stage = places[place]
    if (stage === undefined) return false
    for (const person of people) {
      if (tried.has(person.id) || !isIn(stage, person)) continue
      tried.add(person.id)
      const other = placeOf.get(person.id)
      if (other === undefined || seat(other, tried)) {
        placeOf.set(person.id, place)
        return true
      }
    }
    return false
  }
  return places.every((_stage, place) => seat(place, new Set()))
}
