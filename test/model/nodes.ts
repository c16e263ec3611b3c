/** What happens to gateways and to the policy, which is around all calls at once. */
import { spend } from './scene.ts'
import { type Around, approvalIn, type Node, nodeName, type Request, type Shape, type Work } from './state.ts'
import type { Chance, World } from './world.ts'

/** What it does to every call. */
export interface Effect {
  readonly kind: 'crash' | 'stall'
  readonly node: number
}

interface AroundStep {
  readonly label: string
  readonly around: Around
  readonly effect: Effect | null
  /** Which of the calls it can make a difference for; where it makes none, it may as well happen later. */
  readonly matters: Matters
  readonly isCertain: boolean
}

export interface Matters {
  readonly kind:
    | 'always'
    | 'what is at the gateway'
    | 'what the gateway does'
    | 'requests to come'
    | 'what is open'
  readonly node: number
  readonly name: string
}

export function* aroundSteps(around: Around, world: World): Generator<AroundStep> {
  // Before the first request nothing of this changes anything for anybody.
  if (!around.hasArrived) return
  for (const [at, node] of around.nodes.entries()) {
    const name = nodeName(at, node)
    const changed = (change: Partial<Node>, chance: Chance | null): Around | null => {
      const left = chance === null ? around : spend(around, world, chance)
      return left === null
        ? null
        : { ...left, nodes: left.nodes.map((one, n) => (n === at ? { ...one, ...change } : one)) }
    }
    const to = (kind: Matters['kind']): Matters => ({ kind, node: at, name })
    const dead = node.isUp ? changed({ isUp: false, isLapsed: true }, 'crash') : null
    if (dead !== null) {
      const effect = { kind: 'crash', node: at } as const
      const matters = to('what is at the gateway')
      yield { label: `${name} dies`, around: dead, effect, matters, isCertain: false }
    }
    const still = node.isUp && !node.isLapsed ? changed({ isLapsed: true }, 'stall') : null
    if (still !== null) {
      const effect = { kind: 'stall', node: at } as const
      const matters = to('what the gateway does')
      yield { label: `${name} stands still`, around: still, effect, matters, isCertain: false }
    }
    const renewed = node.isUp && node.isLapsed ? changed({ isLapsed: false }, null) : null
    if (renewed !== null)
      yield {
        label: `${name} goes on`,
        around: renewed,
        effect: null,
        matters: to('always'),
        isCertain: true,
      }
    const back = node.isUp ? null : changed({ isUp: true, isLapsed: false, life: node.life + 1 }, null)
    if (back !== null) {
      const matters = to('requests to come')
      yield { label: `${name} is started again`, around: back, effect: null, matters, isCertain: false }
    }
  }
  const another = around.inForce === 'asks' ? spend(around, world, 'policy') : null
  if (another === null) return
  const matters: Matters = { kind: 'what is open', node: 0, name: '' }
  for (const inForce of ['stricter', 'forbids'] as const) {
    const next = { ...another, inForce }
    yield { label: `the policy is ${inForce} now`, around: next, effect: null, matters, isCertain: false }
  }
}

export function mattersTo({ slots, requests, work }: Shape, { kind, node, name }: Matters): boolean {
  const isComing = requests.some(({ at }) => at === 'away' || at === 'looked')
  const isWorking =
    work[node]?.step !== 'idle' ||
    slots.some(
      ({
        row: {
          as: [{ approval }],
        },
      }) => approval.status === 'executing' && approval.claim.node === name,
    )
  switch (kind) {
    case 'always':
      return true
    case 'what the gateway does':
      return isWorking
    case 'what is at the gateway':
      return (
        isWorking || requests.some((one) => (one.at === 'held' || one.at === 'looked') && one.node === node)
      )
    case 'requests to come':
      return isComing
    case 'what is open':
      return isComing || slots.some((slot) => approvalIn(slot).status !== 'settled')
  }
}

/** A dead process remembers nothing; one that stood still has to know that it did. */
export function reached(shape: Shape, { kind, node }: Effect): Shape {
  const gone: Request = { at: 'gone' }
  const idle: Work = { step: 'idle' }
  switch (kind) {
    case 'crash':
      return {
        ...shape,
        requests: shape.requests.map((one) =>
          (one.at === 'held' || one.at === 'looked') && one.node === node ? gone : one,
        ),
        work: shape.work.map((one, n) => (n === node ? idle : one)),
      }
    case 'stall':
      return {
        ...shape,
        work: shape.work.map((one, n) =>
          n === node && one.step === 'claimed' ? { ...one, hasLapsed: true } : one,
        ),
      }
  }
}
