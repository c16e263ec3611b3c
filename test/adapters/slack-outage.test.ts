/** Slack away, slow, strict or wrongly configured: people decide elsewhere, and every card is true within ten seconds after Slack is back. */
import { afterEach, describe, expect, test } from 'vitest'
import { sha256 } from '../../src/domain/canonical.ts'
import { query } from '../support/gateway-process.ts'
import { aSlackWorld, type SlackWorld, type SlackWorldOptions } from './slack-world.ts'

/** After Slack is back: seconds, and a lot of room for a busy machine. */
const TRUE_AGAIN_MS = 60_000
/** For which Slack asks. */
const PAUSE_S = 3

let world: SlackWorld
const rejections: unknown[] = []
process.on('unhandledRejection', (reason) => rejections.push(reason))
afterEach(async () => {
  await world.close()
  expect(rejections.splice(0)).toEqual([])
})

async function open(options: SlackWorldOptions): Promise<SlackWorld> {
  world = await aSlackWorld(options)
  return world
}

async function decideElsewhere(approval: Awaited<ReturnType<SlackWorld['ask']>>): Promise<void> {
  const mina = world.directory.person('mina')
  if (mina === null) throw new Error('mina is in the file')
  const { id, proposed } = approval
  const decided = await world.people.decide({
    id,
    person: mina,
    answer: 'reject',
    digest: proposed.digest,
    reason: null,
    via: 'console',
  })
  expect(decided.ok).toBe(true)
}

describe('Slack is away', () => {
  test('from the start: cards follow when it comes, and clicks over the socket too', async () => {
    const { slack, ask, card, link, click, users, statusOf } = await open({
      mode: 'socket',
      before: (double) => double.down(),
    })
    const { id } = await ask()
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    await slack.up()
    await card(id, TRUE_AGAIN_MS)
    await slack.waitForConnections(1, TRUE_AGAIN_MS)
    await link('mina')
    await click(id, 'approve', users.mina)
    expect(await statusOf(id)).toMatchObject({ status: 'approved' })
  })

  test.each(['refused', 'http_500', 'timeout'] as const)(
    'later (%s): what is decided elsewhere is on the card afterwards',
    async (outage) => {
      const { slack, ask, card, cardSaying } = await open({ mode: 'http' })
      const [shown, never] = [await ask(), await ask()]
      await card(shown.id)
      await card(never.id)
      await slack.down(outage)
      const unseen = await ask()
      const overBefore = await ask()
      await decideElsewhere(shown)
      await decideElsewhere(overBefore)
      await new Promise((resolve) => setTimeout(resolve, 500))
      await slack.up()
      const message = await cardSaying(shown.id, 'Denied by mina', TRUE_AGAIN_MS)
      expect(slack.buttons(message)).toEqual([])
      await card(unseen.id, TRUE_AGAIN_MS)
      // What was over before anybody could see it needs no card.
      expect(slack.messages().filter((one) => slack.textOf(one).includes(overBefore.id))).toEqual([])
    },
  )

  test('the socket is cut, and asked to move: it is back by itself', async () => {
    const { slack, ask, link, click, users, statusOf } = await open({ mode: 'socket' })
    await slack.waitForConnections(1)
    await link('mina')
    slack.closeSockets()
    await slack.waitForConnections(0)
    await slack.waitForConnections(1, TRUE_AGAIN_MS)
    const [before] = slack.connections()
    slack.disconnectSockets()
    await expect
      .poll(() => slack.connections().filter((one) => one !== before).length, { timeout: TRUE_AGAIN_MS })
      .toBe(1)
    const { id } = await ask()
    await click(id, 'reject', users.mina)
    expect(await statusOf(id)).toMatchObject({ status: 'settled' })
  })
})

describe('Slack refuses', () => {
  test('a pause it asks for is kept, and no call is made meanwhile', async () => {
    const { slack, ask, card } = await open({ mode: 'http' })
    slack.rateLimit('chat.postMessage', PAUSE_S)
    const { id } = await ask()
    const { atMs } = await slack.waitForRequest(({ method }) => method === 'chat.postMessage')
    const next = await ask()
    await card(id, TRUE_AGAIN_MS)
    await card(next.id, TRUE_AGAIN_MS)
    const meanwhile = slack
      .requestsOf('chat.postMessage')
      .filter((one) => one.atMs > atMs && one.atMs < atMs + (PAUSE_S - 1) * 1_000)
    expect(meanwhile).toEqual([])
  })

  test('a burst of calls becomes cards as fast as Slack takes them', async () => {
    const { ask, card } = await open({ mode: 'http', double: { messageRate: { perSecond: 1, burst: 5 } } })
    const asked = await Promise.all(Array.from({ length: 10 }, () => ask()))
    for (const { id } of asked) await card(id)
  })

  test.each([
    ['a token that was revoked', 'token_revoked', 'install the app again'],
    ['a channel it is not in', 'not_in_channel', '/invite'],
  ])(
    '%s: the log says what to do, Slack is not asked all the time, and the repair heals all cards',
    async (_what, error, remedy) => {
      const { slack, ask, card, logged } = await open({ mode: 'http' })
      slack.setTokenError(error)
      const asked = await Promise.all(Array.from({ length: 8 }, () => ask()))
      await expect.poll(() => logged.join('\n')).toContain(remedy)
      await new Promise((resolve) => setTimeout(resolve, 4_000))
      const tried = slack.requestsOf('chat.postMessage').map(({ atMs }) => atMs)
      const soon = tried.filter((atMs) => atMs < Math.min(...tried) + 4_000)
      expect(soon.length).toBeLessThan(8 + 3 * 3)
      slack.setTokenError(null)
      for (const { id } of asked) await card(id, TRUE_AGAIN_MS)
    },
  )

  test('an update fails: the decision stands, and a click on the old buttons is told the truth', async () => {
    const { slack, channel, users, ask, card, cardSaying, link, click, statusOf } = await open({
      mode: 'http',
    })
    await link('mina')
    const { id } = await ask()
    const { ts } = await card(id)
    slack.failNext('chat.update', 'fatal_error')
    await click(id, 'approve', users.mina)
    expect(await statusOf(id)).toMatchObject({ status: 'approved' })
    await slack.click({ channel, ts, actionId: 'reject', user: users.mina, version: 0 })
    await slack.waitForEphemeral((one) => one.text.includes('Already decided. Approved by mina'))
    await cardSaying(id, 'Approved by mina', TRUE_AGAIN_MS)
  })
})

describe('Cards get lost', () => {
  test('Slack posts, and its answer is lost: the second card counts, the first says so when it is clicked', async () => {
    const { slack, channel, users, ask, link, statusOf } = await open({ mode: 'http' })
    await link('mina')
    slack.dropAfter('chat.postMessage')
    const { id } = await ask()
    const copies = () => slack.messages().filter((one) => slack.textOf(one).includes(id))
    await expect.poll(() => copies().length, { timeout: TRUE_AGAIN_MS }).toBe(2)
    const [older, newer] = copies()
    await expect
      .poll(() =>
        world.store.cards.approvalAt('slack', JSON.stringify({ app: slack.appId, channel, ts: newer?.ts })),
      )
      .toBe(id)
    await slack.click({ channel, ts: older?.ts ?? '', actionId: 'approve', user: users.mina })
    expect(await statusOf(id)).toMatchObject({ status: 'pending' })
    await expect.poll(() => slack.textOf(slack.message(channel, older?.ts ?? ''))).toContain('older copy')
    await slack.click({ channel, ts: newer?.ts ?? '', actionId: 'approve', user: users.mina })
    expect(await statusOf(id)).toMatchObject({ status: 'approved' })
  })

  test('somebody deletes the card of a call that still waits: there is a new one', async () => {
    const { slack, ask, card, change } = await open({ mode: 'http' })
    const approval = await ask()
    const { ts } = await card(approval.id)
    slack.failNext('chat.update', 'message_not_found')
    // The requester comes back, which is one of the things a card shows.
    await world.store.ledger.renewLease('gateway-1', 60_000)
    await world.store.ledger.addWaiter(approval.id, 'gateway-1')
    await expect
      .poll(
        () =>
          slack.messages().filter((one) => slack.textOf(one).includes(approval.id) && one.ts !== ts).length,
      )
      .toBe(1)
    await change(approval.id, { kind: 'cancel', by: 'jun', reason: null })
    await slack.waitForMessage((one) => one.ts !== ts && slack.textOf(one).includes('Withdrawn by jun'))
  })
})

describe('Several workers', () => {
  test('draw the same card at the same time: it is posted once, and kept with the digest of exactly what was posted', async () => {
    const { slack, ask, card, deliver, config } = await open({ mode: 'http' })
    const asked = await Promise.all(Array.from({ length: 5 }, () => ask()))
    await Promise.all(asked.flatMap(({ id }) => [deliver(id), deliver(id), deliver(id)]))
    for (const { id } of asked) await card(id)
    const posts = slack.requestsOf('chat.postMessage')
    expect(posts).toHaveLength(asked.length)
    const kept = () =>
      query<{ render_digest: string }>(
        config.databaseUrl ?? '',
        'SELECT render_digest FROM holdpoint.card WHERE render_digest IS NOT NULL',
      )
    await expect.poll(async () => (await kept()).length).toBe(asked.length)
    const sent = posts.map(({ args }) => sha256(JSON.stringify({ text: args.text, blocks: args.blocks })))
    expect((await kept()).map((row) => row.render_digest).sort()).toEqual(sent.sort())
  })
})

describe('Two gateways', () => {
  test.each(['http', 'socket'] as const)(
    'the same click arrives at both over %s: one decision',
    async (mode) => {
      const { slack, users, ask, card, link, click, useGateway, cardSaying, statusOf } = await open({
        mode,
        gateways: 2,
      })
      if (mode === 'socket') await slack.waitForConnections(2)
      await link('mina')
      for (let round = 0; round < 5; round++) {
        const { id } = await ask()
        await card(id)
        const first = click(id, 'approve', users.mina)
        if (mode === 'http') useGateway(1)
        const [one, other] = await Promise.all([first, click(id, 'approve', users.mina)])
        expect([one.outcome, other.outcome]).toEqual(['acknowledged', 'acknowledged'])
        expect((await statusOf(id))?.version).toBe(2)
        await cardSaying(id, 'Approved by mina')
        if (mode === 'http') useGateway(0)
      }
    },
  )
})
