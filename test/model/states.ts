/**
 * A state is one number made of three: its two calls, in the order of their numbers because they are alike, and what is around
 * them. What a call can do depends on itself and on what is around it, so it is worked out once for all states that have both.
 */
import { deedSteps } from './deeds.ts'
import { gatewaySteps } from './gateway.ts'
import { brokenIn } from './invariants.ts'
import { aroundSteps, type Effect, type Matters, mattersTo, reached } from './nodes.ts'
import { OUTLOOKS, outlookOf, withOutlook, withoutRepeats } from './outlook.ts'
import { twoYeses } from './people.ts'
import { createRecords } from './records.ts'
import { requestSteps } from './requests.ts'
import type { Scene, Step } from './scene.ts'
import { approvalIn, createCalls, createContexts, type Shape, startOf } from './state.ts'
import { forgottenSteps, watchSteps } from './watch.ts'
import type { World } from './world.ts'

export interface Next {
  readonly label: string
  readonly key: number
  readonly isCertain: boolean
  readonly broken: string | null
}

/** A step of one call, or of what is around both. */
interface Known {
  readonly label: string
  readonly call: number
  readonly around: number
  readonly isCertain: boolean
  readonly broken: string | null
}
interface Move {
  readonly label: string
  readonly around: number
  readonly matters: (call: number) => boolean
  readonly effect: Effect | null
  readonly isCertain: boolean
}

const CALLS_MAX = 2 ** 20
const AROUND_MAX = 2 ** 13

export function createStates(world: World) {
  const records = createRecords(
    world.isQuorum ? twoYeses : [],
    ({ kind }) => kind !== 'claim' || world.design !== 'a claim leaves nothing in the audit',
  )
  const calls = createCalls()
  const contexts = createContexts()
  const doesLookAcross = world.design === 'who waits at a gateway is told what ended there'

  const callNumber = (shape: Shape) => bounded(calls.one(shape).id, CALLS_MAX)
  const callOutlook = once((id) => outlookOf(calls.at(id)))
  const aroundIn = once((key) =>
    bounded(
      contexts.one(withOutlook(contexts.at(Math.floor(key / OUTLOOKS)), key % OUTLOOKS)).id,
      AROUND_MAX,
    ),
  )
  const unrepeated = once((id) => callNumber(withoutRepeats(calls.at(id))))
  function keyOf(first: number, second: number, around: number): number {
    const isRepeated = contexts.at(around).left.repeat > 0
    const one = isRepeated ? first : unrepeated(first)
    const other = isRepeated ? second : unrepeated(second)
    const outlook = callOutlook(one) | callOutlook(other)
    const pair = Math.min(one, other) * CALLS_MAX + Math.max(one, other)
    return pair * AROUND_MAX + aroundIn(around * OUTLOOKS + outlook)
  }
  function partsOf(key: number) {
    const pair = Math.floor(key / AROUND_MAX)
    return { one: Math.floor(pair / CALLS_MAX), other: pair % CALLS_MAX, around: key % AROUND_MAX }
  }

  const isCallOver = once((id) => isOverFor(calls.at(id)))

  function knownSteps(call: number, around: number, other: number, position: 0 | 1): readonly Known[] {
    const scene: Scene = {
      ...{ call: calls.at(call), around: contexts.at(around), world, records, position },
      other: doesLookAcross ? { call: calls.at(other), position: position === 0 ? 1 : 0 } : null,
    }
    return [...allSteps(scene)].flatMap(({ label, shape, around: next, isCertain, broken }) => {
      const known = { call: callNumber(shape), around: bounded(contexts.one(next).id, AROUND_MAX) }
      // Judged before it counts as one with others that can do the same.
      const found = broken ?? brokenIn(shape, world)
      // A step to where it is leads nowhere.
      const isNone = known.call === call && known.around === around && found === null
      return isNone ? [] : [{ label, ...known, isCertain, broken: found }]
    })
  }
  const stepsAlone = once((key) => knownSteps(Math.floor(key / AROUND_MAX), key % AROUND_MAX, 0, 0))
  const stepsOf = (call: number, around: number, other: number, position: 0 | 1) =>
    doesLookAcross ? knownSteps(call, around, other, position) : stepsAlone(call * AROUND_MAX + around)

  const movesOf = once((around): readonly Move[] =>
    [...aroundSteps(contexts.at(around), world)].map(({ around: next, matters, ...move }) => ({
      ...move,
      around: bounded(contexts.one(next).id, AROUND_MAX),
      matters: forEach(matters),
    })),
  )
  const mattering = new Map<string, (call: number) => boolean>()
  function forEach(matters: Matters): (call: number) => boolean {
    const name = `${matters.kind}${matters.node}${matters.name}`
    const known = mattering.get(name) ?? once((id) => mattersTo(calls.at(id), matters))
    mattering.set(name, known)
    return known
  }
  const effects = new Map<string, (call: number) => number>()
  function affected(call: number, effect: Effect | null): number {
    if (effect === null) return call
    const name = `${effect.kind}${effect.node}`
    const after = effects.get(name) ?? once((id) => callNumber(reached(calls.at(id), effect)))
    effects.set(name, after)
    return after(call)
  }

  const { call, around } = startOf(world)
  const nothing: Shape = { ...call, requests: [] }
  const second = world.calls === 2 ? call : nothing
  return {
    start: keyOf(callNumber(call), callNumber(second), bounded(contexts.one(around).id, AROUND_MAX)),
    /** Everything that can happen. */
    nextOf(key: number): readonly Next[] {
      const { one, other, around } = partsOf(key)
      const found: Next[] = []
      for (const { label, call, around: next, isCertain, broken } of stepsOf(one, around, other, 0))
        found.push({ label, key: keyOf(call, other, next), isCertain, broken })
      for (const { label, call, around: next, isCertain, broken } of stepsOf(other, around, one, 1))
        found.push({ label, key: keyOf(one, call, next), isCertain, broken })
      for (const { label, around: next, effect, matters, isCertain } of movesOf(around)) {
        if (!matters(one) && !matters(other)) continue
        const after = keyOf(affected(one, effect), affected(other, effect), next)
        found.push({ label, key: after, isCertain, broken: null })
      }
      return found
    },
    isOver(key: number): boolean {
      const { one, other } = partsOf(key)
      return isCallOver(one) && isCallOver(other)
    },
  }
}

function* allSteps(scene: Scene): Generator<Step> {
  yield* requestSteps(scene)
  yield* deedSteps(scene)
  yield* gatewaySteps(scene)
  yield* watchSteps(scene)
  yield* forgottenSteps(scene)
}

/** Every approval has its outcome, everybody who waited was told, and nothing is on its way any more. */
const isOverFor = ({ slots, requests, work }: Shape): boolean =>
  slots.every((slot) => approvalIn(slot).status === 'settled') &&
  requests.every(({ at }) => at !== 'looked' && at !== 'held') &&
  work.every(({ step }) => step === 'idle')

function once<T>(of: (id: number) => T): (id: number) => T {
  const known = new Map<number, T>()
  return function remembered(id) {
    const before = known.get(id)
    if (before !== undefined) return before
    const value = of(id)
    known.set(id, value)
    return value
  }
}

function bounded(id: number, max: number): number {
  if (id >= max) throw new RangeError(`more than ${max} of a kind: the world is too big for its numbers`)
  return id
}
