/** A channel is told of a server without a policy once, however many gateways there are, and the message follows what is true. */
import { afterAll, expect, test } from 'vitest'
import { clock } from '../../src/launch/clock.ts'
import { silentLog } from '../../src/launch/log.ts'
import { ChannelFault, type SetUpChannel, type SetUpShowing } from '../../src/ports/channels.ts'
import type { Clock } from '../../src/ports/clock.ts'
import { keepShowingSetUps } from '../../src/services/show-set-ups.ts'
import { mina } from '../support/builders.ts'
import { createMemorySetUpCards } from '../support/memory-set-up-cards.ts'
import { aSetUpGateway, shopTools } from '../support/set-ups.ts'

const stopping = new AbortController()
const loops: Promise<void>[] = []
afterAll(async () => {
  stopping.abort()
  await Promise.all(loops)
})

/** Looks every few milliseconds. */
const quick: Clock = { ...clock, sleep: (ms, signal) => clock.sleep(Math.min(ms, 5), signal) }

function aChannel() {
  const drawn: { place: string | null; showing: SetUpShowing }[] = []
  const faults: ChannelFault[] = []
  const channel: SetUpChannel = {
    name: 'slack',
    async showSetUp(showing, place) {
      const fault = faults.shift()
      if (fault !== undefined) throw fault
      drawn.push({ place, showing })
      return place ?? `place ${drawn.length}`
    },
  }
  return { channel, drawn, faults }
}

type Gateway = Awaited<ReturnType<typeof aSetUpGateway>>
const cardsOf = new WeakMap<object, ReturnType<typeof createMemorySetUpCards>>()

function shows({ setUps, rules, ledger }: Gateway, channel: SetUpChannel, servers = ['shop']) {
  const cards = cardsOf.get(ledger) ?? createMemorySetUpCards()
  cardsOf.set(ledger, cards)
  loops.push(
    keepShowingSetUps({
      ...{ setUps, servers, held: rules.held, cards, channel },
      ...{ clock: quick, stopping: stopping.signal, log: silentLog },
    }),
  )
}

const settled = { timeout: 20_000, interval: 20 }

test('one message by two gateways: first that it waits, then what is proposed, then that it is set up', async () => {
  const first = await aSetUpGateway()
  const second = await aSetUpGateway(first)
  const { channel, drawn } = aChannel()
  shows(first, channel)
  shows(second, channel)
  await expect.poll(() => drawn.length, settled).toBe(1)
  expect(drawn[0]).toMatchObject({
    place: null,
    showing: { kind: 'waiting', server: 'shop', proposal: null },
  })
  await first.saw('shop', shopTools)
  await second.tools.refresh()
  const digest = first.setUps.show('shop')?.proposal?.digest ?? ''
  await expect
    .poll(() => drawn.at(-1), settled)
    .toMatchObject({ place: 'place 1', showing: { kind: 'waiting', proposal: { digest } } })
  expect(await first.setUps.accept('shop', digest, mina)).toMatchObject({ ok: true })
  await second.rules.refresh()
  await expect
    .poll(() => drawn.at(-1), settled)
    .toMatchObject({ place: 'place 1', showing: { kind: 'set_up', number: 1, by: 'mina' } })
  expect(drawn.filter(({ place }) => place === null)).toHaveLength(1)

  // After a restart nothing is said again.
  const before = drawn.length
  const third = await aSetUpGateway(first)
  let looks = 0
  function held(server: string) {
    looks++
    return third.rules.held(server)
  }
  shows({ ...third, rules: { ...third.rules, held } }, channel)
  await expect.poll(() => looks, settled).toBeGreaterThan(3)
  expect(drawn).toHaveLength(before)
})

test('a server that was set up all along is no news, and a channel that is away is told later', async () => {
  const gateway = await aSetUpGateway()
  await gateway.saw('shop', shopTools)
  const digest = gateway.setUps.show('shop')?.proposal?.digest ?? ''
  await gateway.setUps.accept('shop', digest, mina)
  const { channel, drawn, faults } = aChannel()
  faults.push(new ChannelFault('away', true, null), new ChannelFault('a pause', true, 1))
  shows(gateway, channel, ['shop', 'wiki'])
  await expect.poll(() => drawn.length, settled).toBe(1)
  expect(drawn).toMatchObject([
    { place: null, showing: { server: 'wiki', problem: expect.stringContaining('connection refused') } },
  ])
})
