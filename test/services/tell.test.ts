/** Telling people how a call ended: what a channel refuses for one person, or for a while for all, keeps nobody from hearing of it. */
import { expect, test } from 'vitest'
import type { ApprovalId } from '../../src/domain/approval-id.ts'
import { clock } from '../../src/launch/clock.ts'
import { silentLog } from '../../src/launch/log.ts'
import { type Channel, ChannelFault } from '../../src/ports/channels.ts'
import type { Notices } from '../../src/ports/notices.ts'
import { createTell, keepTelling } from '../../src/services/tell.ts'
import { aGateway, aWorld, type World } from '../support/world.ts'

const refused = new ChannelFault('channel_not_found', false, null, { isCertainlyUnposted: true })
const away = new ChannelFault('away', true, null, { isCertainlyUnposted: true })

/** A call that two people hear of: its owner, and who said yes to an end that nobody knows. */
async function lost(world: World, name = 'demo'): Promise<ApprovalId> {
  const gateway = await aGateway(world)
  const asked = await gateway.ask({ arguments: { name } })
  if (!asked.ok || asked.value.kind !== 'waiting') throw new Error(JSON.stringify(asked))
  const { id } = asked.value.approval
  const trace = { progress: 'begun', httpStatus: null, error: 'read ECONNRESET' } as const
  world.upstream.answer = async () => ({ kind: 'indeterminate', reason: 'the connection broke', trace })
  const held = gateway.hold(id)
  await gateway.decide(id)
  expect(await held).toMatchObject({ approval: { outcome: { kind: 'indeterminate' } } })
  // Longer than people wait for the evidence that is looked for right afterwards.
  world.ledger.advance(60_000)
  return id
}

/** A channel that does what it is told to, and what is noted of whom it told. */
function aChannel(ids: () => readonly ApprovalId[]) {
  const heard: string[] = []
  const tried: string[] = []
  const done = new Set<ApprovalId>()
  const told = new Map<ApprovalId, string[]>()
  const pauses: number[] = []
  let faultFor: (person: string) => ChannelFault | null = () => null
  const channel: Channel = {
    name: 'slack',
    show: async () => ({ place: 'here', renderDigest: '' }),
    nudge: async () => [],
    async tell({ person, why }) {
      tried.push(person)
      const fault = faultFor(person)
      if (fault !== null) throw fault
      heard.push(`${person} (${why})`)
      return true
    },
  }
  const notices: Notices = {
    take: async (id) => (done.has(id) ? null : { turn: '1', told: told.get(id) ?? [], cardPlace: null }),
    async told(id, _channel, _turn, person) {
      told.set(id, [...(told.get(id) ?? []), person])
    },
    async done(id) {
      done.add(id)
    },
    async giveBack(_id, _channel, _turn, { pauseMs }) {
      pauses.push(pauseMs)
    },
    untold: async () => ids().filter((id) => !done.has(id)),
  }
  return {
    heard,
    tried,
    done,
    pauses,
    notices,
    channel,
    fails(which: typeof faultFor) {
      faultFor = which
    },
  }
}

test('a message that is refused for one person is told to the others, and to that one once it is taken', async () => {
  const world = aWorld()
  const id = await lost(world)
  const all = aChannel(() => [id])
  const tell = createTell({ ledger: world.ledger, ...all, channels: [all.channel], log: silentLog })
  all.fails((person) => (person === 'jun' ? refused : null))
  await tell(id)
  expect(all.heard).toEqual(['mina (decided)'])
  expect(all.done.size).toBe(0)
  // Not at once, and not only after this process has gone.
  expect(all.pauses).toEqual([60_000])
  all.fails(() => null)
  await tell(id)
  await tell(id)
  expect(all.heard).toEqual(['mina (decided)', 'jun (owner)'])
  expect(all.done.has(id)).toBe(true)
})

test('what passes is left to the queue, at once', async () => {
  const world = aWorld()
  const id = await lost(world)
  const all = aChannel(() => [id])
  all.fails(() => away)
  const tell = createTell({ ledger: world.ledger, ...all, channels: [all.channel], log: silentLog })
  await expect(tell(id)).rejects.toThrow('away')
  expect(all.pauses).toEqual([0])
  expect(all.tried).toHaveLength(1)
})

test('one that is refused, or cannot be read, does not keep the next ones from being told', async () => {
  const world = aWorld()
  const first = await lost(world)
  const second = await lost(world, 'other')
  const all = aChannel(() => [first, second])
  let isFirst = true
  all.fails(() => {
    const fault = isFirst ? refused : null
    isFirst = false
    return fault
  })
  const stopping = new AbortController()
  const once = { ...clock, sleep: async () => stopping.abort() }
  const deps = { ledger: world.ledger, ...all, channels: [all.channel], log: silentLog }
  await keepTelling({ ...deps, clock: once, stopping: stopping.signal })
  expect(all.done.has(second)).toBe(true)
  expect(all.done.has(first)).toBe(false)
})
