/**
 * Every state that can be reached, breadth first, and whether each of them can still come to an end by what happens by itself.
 * How a state and its steps are known: `states.ts`.
 */
import { createNumbers } from './numbers.ts'
import { createStates, type Next } from './states.ts'
import type { World } from './world.ts'

export interface Explored {
  readonly states: number
  readonly ends: number
  readonly steps: number
  /** The first broken promise; `null`: none. */
  readonly broken: string | null
  /** The shortest way to it. */
  readonly path: readonly string[]
}

export function explore(world: World): Explored {
  const { start, nextOf, isOver } = createStates(world)
  const indexes = new Map<number, number>([[start, 0]])
  const keys = createNumbers([start])
  const parents = createNumbers([-1])
  /** Steps that happen by themselves: where they begin, and where they lead. */
  const froms = createNumbers()
  const tos = createNumbers()
  const ends = createNumbers()
  let steps = 0

  function path(index: number): string[] {
    const labels: string[] = []
    for (let at = index; at > 0; at = parents.at(at)) {
      const from = keys.at(parents.at(at))
      const step = nextOf(from).find(({ key }) => key === keys.at(at))
      labels.unshift(step?.label ?? '?')
    }
    return labels
  }
  const result = (broken: string | null, way: readonly string[]): Explored => ({
    ...{ states: keys.length, ends: ends.length, steps, broken, path: way },
  })

  for (let index = 0; index < keys.length; index++) {
    const key = keys.at(index)
    if (isOver(key)) ends.push(index)
    for (const next of nextOf(key)) {
      if (next.broken !== null) return result(next.broken, [...path(index), next.label])
      steps++
      const to = numberOf(next, index)
      if (next.isCertain) {
        froms.push(index)
        tos.push(to)
      }
    }
  }

  function numberOf({ key }: Next, parent: number): number {
    const known = indexes.get(key)
    if (known !== undefined) return known
    const index = keys.length
    indexes.set(key, index)
    keys.push(key)
    parents.push(parent)
    return index
  }

  const stuck = firstStuck(keys.length, ends.all(), froms.all(), tos.all())
  return stuck === null ? result(null, []) : result('I4: what was accepted cannot end any more', path(stuck))
}

/** Backwards from the ends: whatever is not met could be stuck for ever. */
function firstStuck(
  count: number,
  ends: Float64Array,
  froms: Float64Array,
  tos: Float64Array,
): number | null {
  // The steps in the order of where they lead.
  const first = new Int32Array(count + 2)
  for (const to of tos) first[to + 2] = (first[to + 2] ?? 0) + 1
  for (let at = 2; at < first.length; at++) first[at] = (first[at] ?? 0) + (first[at - 1] ?? 0)
  const sources = new Int32Array(froms.length)
  for (const [step, to] of tos.entries()) {
    const place = first[to + 1] ?? 0
    sources[place] = froms[step] ?? 0
    first[to + 1] = place + 1
  }
  const canEnd = new Uint8Array(count)
  const open = [...ends]
  for (const end of ends) canEnd[end] = 1
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    for (let place = first[at] ?? 0; place < (first[at + 1] ?? 0); place++) {
      const source = sources[place] ?? 0
      if (canEnd[source] === 1) continue
      canEnd[source] = 1
      open.push(source)
    }
  }
  const stuck = canEnd.indexOf(0)
  return stuck === -1 ? null : stuck
}
