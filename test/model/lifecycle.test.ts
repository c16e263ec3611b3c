/**
 * Every order of events, breadth first. Two agents ask, each for a call of its own, at gateways that read, judge, claim, look at
 * their lease, send and note in steps of their own; requests are held there, attach, follow, leave and are told. Gateways die
 * between any two steps and are started again, stand still past their lease and go on, and do not hear that the ledger took a
 * commit, which it kept or lost. People say yes to what they were shown, edit, give more time, withdraw, note, ask again. The
 * policy becomes another. Records change by the real `transition` alone, with the real audit, judgement, attach keys, rules for
 * repeats and successors. Every promise that can be told from a state is looked at in every state; and from every state
 * everything accepted still comes to its end by what happens by itself, without any person.
 *
 * Bounds, because their product is what there is to look at. Each thing that need not happen (`world.ts`) happens once at the
 * most. Two calls can meet all eleven of them, any two in one run; besides, repeat, edit, death (with a start again), standstill
 * and failover all in one run (3.3 million states, 40 s of a processor). Calls touch only through gateways, the policy and these
 * bounds. Several yeses are a world of their own. Not in here, because no order of events decides them: I7, I9, I12, and of I11 how a
 * call is shown.
 */
import { expect, test } from 'vitest'
import { type Design, designs } from './designs.ts'
import { explore } from './explore.ts'
import { type Chance, chances, type World } from './world.ts'

const timeout = 1_200_000
const once = (some: readonly Chance[], max: number): Pick<World, 'bounds' | 'among'> => ({
  bounds: Object.fromEntries(some.map((chance) => [chance, 1])),
  among: { chances: some, max },
})
const accidents: readonly Chance[] = ['repeat', 'edit', 'crash', 'stall', 'failover']

const usual = { gateways: 2, isQuorum: false, design: null } as const
const worlds: readonly (readonly [string, World])[] = [
  ['two calls, any two of all that can happen', { ...usual, calls: 2, ...once(chances, 2) }],
  [
    `two calls, with ${accidents.join(', ')} in one run`,
    { ...usual, calls: 2, ...once(accidents, accidents.length) },
  ],
  ['one call, any three of all that can happen', { ...usual, calls: 1, ...once(chances, 3) }],
  [
    'one call at three gateways, any two of repeat, death and standstill',
    { ...usual, calls: 1, gateways: 3, ...once(['repeat', 'crash', 'stall'], 2) },
  ],
  [
    'one call, where two of three people have to say yes, who take it back and leave',
    { ...usual, calls: 1, isQuorum: true, ...once(['repeat', 'edit', 'crash'], 1) },
  ],
]

test.each(worlds)(
  '%s: all promises hold in every state, and every state can come to an end',
  { timeout },
  (what, world) => {
    const before = process.cpuUsage()
    const { broken, path, states, ends, steps } = explore(world)
    const { user, system } = process.cpuUsage(before)
    const seconds = ((user + system) / 1_000_000).toFixed(1)
    console.log(`${what}: ${states} states, ${steps} steps, ${ends} ends; ${seconds} s`)
    expect({ broken, path }).toEqual({ broken: null, path: [] })
    expect(states).toBeGreaterThan(1_000)
    expect(ends).toBeGreaterThan(0)
  },
)

/** What a design needs to go wrong, where one call to which nothing happens does not show it. */
const needs: Readonly<Partial<Record<Design, Partial<World>>>> = {
  'a write is not guarded by the version': once(['repeat', 'stall'], 2),
  'the standby follows late': once(['failover', 'repeat'], 2),
  'what a gateway leaves is given to another': once(['repeat', 'stall'], 2),
  'a repeat makes a record of its own': once(['repeat'], 1),
  'a record is made after an old look': once(['repeat'], 1),
  'the claim is not guarded by the policy': once(['policy'], 1),
  'a late reply starts it again': once(['stall'], 1),
  'a late reply becomes the outcome': once(['stall'], 1),
  'nobody looks after gateways that are gone': once(['crash'], 1),
  'nobody looks after claims that nobody heard of': once(['failover'], 1),
  'a successor loses its waiters': once(['policy'], 1),
  'a successor is made in a transaction of its own': once(['policy'], 1),
  'a gateway runs what nobody waits for': once(['leave'], 1),
  'a gateway that is gone has not sent it': once(['crash'], 1),
  'nobody looks who has left the group': { isQuorum: true },
  'who waits at a gateway is told what ended there': { calls: 2 },
  'a yes counts for what stands there now': once(['edit'], 1),
}
const nothing: World = { ...usual, calls: 1, ...once([], 0) }

test.each(Object.entries(designs).map(([name, promise]) => ({ name, promise })))(
  'where $name, a promise is broken',
  { timeout },
  ({ name, promise }) => {
    const design = nameOfDesign(name)
    const world: World = { ...nothing, ...needs[design] }
    expect(explore(world).broken).toBeNull()
    const { broken, path } = explore({ ...world, design })
    expect(`${broken}\n${path.join('\n')}`).toMatch(promise)
  },
)

function nameOfDesign(text: string): Design {
  const isDesign = (name: string): name is Design => name in designs
  if (!isDesign(text)) throw new Error(text)
  return text
}
