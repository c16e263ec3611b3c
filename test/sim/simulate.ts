/** One seed from storm to calm: two agents, two people, three gateways that die, stall and come back, one fragile upstream. */
import type { ApproverChain } from '../../src/domain/policy.ts'
import type { Principal } from '../../src/domain/principal.ts'
import { everything } from '../../src/domain/stop.ts'
import { aRevision } from '../support/builders.ts'
import { type Gateway, type Mutant, personActs, requestOf, startGateway, taskOf } from './actors.ts'
import { brokenPromises } from './invariants.ts'
import {
  alone,
  beginsWithGrants,
  calling,
  createSimWorld,
  granting,
  lee,
  type SimWorld,
  severalPeople,
} from './world.ts'

export interface Simulated {
  readonly seed: number
  readonly broken: readonly string[]
  readonly world: SimWorld
}

const agents: readonly Principal[] = [
  { name: 'night-agent', owner: 'jun' },
  { name: 'day-agent', owner: 'jun' },
]
const EVENTS = 120
const CALM_STEPS_MAX = 60_000

export async function simulate(seed: number, mutant: Mutant | null = null): Promise<Simulated> {
  const world = createSimWorld(seed, mutant?.beginsWith)
  const { dice, scheduler } = world
  let started = 0
  const start = () => startGateway(world, `gateway-${++started}`, mutant)
  let gateways: Gateway[] = [start(), start(), start()]
  // Where calls are granted, there are enough of them for a grant to be used up.
  const calls = beginsWithGrants(seed) ? 5 : 2
  const alive = () => gateways.filter(({ owner }) => !owner.isDead)

  const events: readonly { readonly weight: number; happens(): void }[] = [
    { weight: 10, happens: () => requestOf(world, dice.pick(alive()), dice.pick(agents), dice.below(calls)) },
    { weight: 4, happens: () => taskOf(world, alive, dice.pick(agents), dice.below(calls)) },
    { weight: 8, happens: () => personActs(world, dice.pick(alive())) },
    { weight: 6, happens: () => scheduler.advance(dice.below(3_000)) },
    { weight: 1, happens: () => scheduler.advance(dice.below(30_000)) },
    { weight: 3, happens: () => ringJob(world, dice.pick(alive())) },
    {
      weight: 0.8,
      happens() {
        scheduler.kill(dice.pick(alive()).owner)
        gateways = [...alive(), start()]
      },
    },
    {
      // Stopped beyond every lease, then going on as if nothing had happened.
      weight: 1,
      happens() {
        dice.pick(alive()).owner.stalledUntilMs = scheduler.nowMs() + dice.below(20_000)
      },
    },
    {
      weight: 1.5,
      happens() {
        world.isUpstreamUp = dice.chance(0.8)
      },
    },
    {
      weight: 0.08,
      happens() {
        world.toolDefinitionDigest = dice.pick(['d', 'e']).repeat(64)
      },
    },
    {
      weight: 0.25,
      happens() {
        const text = dice.pick([
          ...['default: require_approval', 'default: require_approval', 'default: allow'],
          alone,
          ...[calling, calling],
          'rules: [{ tools: "*", action: require_approval, approval: { on_client_gone: cancel } }]',
          ...severalPeople,
          granting,
          ...['deny: [delete_repository]', 'require_approval: { delete_repository: carefully }'],
        ])
        const groups = [dice.pick(['ops', 'security'])]
        const approvers = { groups, people: ['mina'], selfConfirm: dice.chance(0.3) }
        void putInForce(world, text, approvers)
      },
    },
    { weight: 0.25, happens: () => void stopOrLift(world) },
    { weight: 0.4, happens: () => moveLee(world) },
  ]
  const total = events.reduce((sum, { weight }) => sum + weight, 0)

  for (let event = 0; event < EVENTS; event++) {
    let point = dice.next() * total
    const chosen = events.find(({ weight }) => {
      point -= weight
      return point < 0
    })
    chosen?.happens()
    for (let steps = dice.below(30); steps > 0; steps--) await scheduler.runOne()
  }

  // Calm: nothing is lost any more, everybody lives, and time goes on until nothing can be due.
  world.isStormy = false
  world.isUpstreamUp = true
  for (const { owner } of gateways) owner.stalledUntilMs = 0
  const open = await world.ledger.list({ statuses: ['pending'], principal: null, limit: 1_000, after: null })
  const latestMs = Math.max(
    scheduler.nowMs() + world.timings.decisionMs,
    ...open.map((one) => one.expiresAtMs),
  )
  const untilMs = latestMs + world.timings.startByMs + 60_000
  for (let steps = 0; steps < CALM_STEPS_MAX && scheduler.nowMs() < untilMs; steps++) {
    if (await scheduler.runOne()) continue
    scheduler.advance(world.timings.loopMs)
  }
  for (let steps = 0; steps < 5_000 && (await scheduler.runOne()); steps++);
  world.requestIds?.disable()
  return { seed, broken: await brokenPromises(world), world }
}

/** In and out of the groups of approvers. */
function moveLee(world: SimWorld): void {
  const now = world.people.find(({ id }) => id === lee.id)
  const next = now?.groups.length === 0 ? lee : { ...lee, groups: [] }
  world.people = world.people.map((person) => (person.id === lee.id ? next : person))
  world.directories.push({ atMs: world.scheduler.nowMs(), people: world.people })
}

/** Somebody else's gateway or a person: from here on another policy is in force. */
async function putInForce({ ledger }: SimWorld, text: string, approvers: ApproverChain): Promise<void> {
  const after = (await ledger.revisions.inForce()).get('github') ?? null
  await ledger.revisions.putInForce(aRevision(text, { approvers }), after)
}

/** A person uses the kill switch, or lets go of it. */
async function stopOrLift({ ledger: { stops }, dice }: SimWorld): Promise<void> {
  const [inForce] = await stops.inForce()
  if (inForce !== undefined) {
    await stops.lift(inForce.number, 'mina')
    return
  }
  const { name } = dice.pick(agents)
  const scope = dice.pick([everything, { ...everything, agent: name }, { ...everything, server: 'github' }])
  await stops.put({ scope, reason: 'it runs wild', by: 'mina' })
}

function ringJob(world: SimWorld, gateway: Gateway): void {
  const due = world.jobs.findIndex(({ dueMs }) => dueMs <= world.scheduler.nowMs())
  const [job] = due === -1 ? [] : world.jobs.splice(due, 1)
  if (job === undefined) return
  const { attend, resume } = gateway.services
  const handled = job.kind === 'attend' ? attend(job.id) : resume(job.id)
  // A worker that fails or dies is not told apart by anyone.
  handled.catch(() => {})
}
