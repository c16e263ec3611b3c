/** A server without a policy in Slack: one message that says what is proposed and where to accept it, and changes in place. */
import { afterEach, describe, expect, test } from 'vitest'
import { setUpCardOf } from '../../src/channels/slack/set-up-card.ts'
import type { ProposedTool } from '../../src/domain/set-up.ts'
import { clock } from '../../src/launch/clock.ts'
import { silentLog } from '../../src/launch/log.ts'
import { openSlackChannel } from '../../src/launch/slack.ts'
import type { SetUpShowing } from '../../src/ports/channels.ts'
import { keepShowingSetUps } from '../../src/services/show-set-ups.ts'
import { mina } from '../support/builders.ts'
import { aSetUpGateway, shopTools } from '../support/set-ups.ts'
import { textOf } from '../support/slack/reader.ts'
import { aSlackWorld } from './slack-world.ts'

const publicUrl = new URL('https://holdpoint.example.com/base/')
const cleanUps: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

test.each(['http', 'socket'] as const)('follows the server in place, over %s', async (mode) => {
  const world = await aSlackWorld({ mode, publicUrl: publicUrl.href })
  cleanUps.push(() => world.close())
  const { slack, config, store, directory, users, channel: where } = world
  const gateway = await aSetUpGateway()
  await gateway.saw('shop', shopTools)
  const stopping = new AbortController()
  for (const _gateway of [1, 2]) {
    const channel = await openSlackChannel({ config, store, directory, log: silentLog })
    if (channel === null) throw new Error('Slack is configured here')
    const loop = keepShowingSetUps({
      ...{ setUps: gateway.setUps, servers: ['shop'], held: gateway.rules.held, cards: store.setUpCards },
      ...{ channel, clock, stopping: stopping.signal, log: silentLog },
    })
    cleanUps.push(() => loop)
  }
  cleanUps.push(async () => stopping.abort())
  const says = (words: string) => slack.waitForMessage((message) => slack.textOf(message).includes(words))
  const message = await says('Set up shop')
  const text = slack.textOf(message)
  expect(text).toContain('all its calls are refused')
  expect(text).toContain('4: 2 critical, 2 low')
  expect(text).toContain('2 ask a person, 2 pass')
  expect(text).toContain('delete_order: Critical, destructive')
  expect(text).not.toMatch(/Approve|Accept/)
  expect(JSON.stringify(message.blocks)).toContain('https://holdpoint.example.com/base/set-up/shop')
  // A link in Slack is a click as well, and is answered.
  await slack.click({ channel: where, ts: message.ts, actionId: 'open-console', user: users.stranger })

  const renamed = [...shopTools, { name: 'list_customers', description: '고객 목록을 가져옵니다.' }]
  await gateway.saw('shop', renamed)
  expect((await says('5: 2 critical')).ts).toBe(message.ts)
  const digest = gateway.setUps.show('shop')?.proposal?.digest ?? ''
  expect(await gateway.setUps.accept('shop', digest, mina)).toMatchObject({ ok: true })
  const done = await says('shop is set up')
  expect(done.ts).toBe(message.ts)
  expect(slack.textOf(done)).toContain('revision 1 is in force (mina)')
  expect(JSON.stringify(done.blocks)).not.toContain('actions')
  expect(slack.messages()).toHaveLength(1)
})

describe('whatever a server says', () => {
  const aTool = (more: Partial<ProposedTool>): ProposedTool => ({
    ...{ tool: 'delete_order', title: null, category: 'destructive', risk: 'critical', gets: 'ask' },
    ...{ why: 'Critical, destructive: takes something away.', ...more },
  })
  const waiting = (tools: readonly ProposedTool[], server = 'shop'): SetUpShowing => ({
    ...{ kind: 'waiting', server, problem: null },
    proposal: { server, text: 'default: deny', digest: 'ab'.repeat(32), tools },
  })
  const drawn = (showing: SetUpShowing, url: URL | null = publicUrl) => {
    const { text, blocks } = setUpCardOf(showing, url)
    return {
      notification: text,
      blocks,
      text: textOf({ text: '', blocks: JSON.parse(JSON.stringify(blocks)) }),
    }
  }

  test('hundreds of tools, Korean names and markup make one short card', () => {
    const many = Array.from({ length: 600 }, (_one, n) =>
      aTool({
        tool: `도구-${n}<!channel>*b*`,
        why: '위험합니다: '.repeat(300),
        risk: n % 2 === 0 ? 'high' : 'critical',
      }),
    )
    const { text, blocks, notification } = drawn(waiting(many, '쇼핑몰 <!here>'))
    expect(text.length).toBeLessThan(3_000)
    expect(text).toContain('쇼핑몰 <!here>')
    expect(text).toContain('600: 300 critical, 300 high')
    expect(text).toContain('595 more that do not simply pass')
    expect(text.match(/도구-\d+/g)).toHaveLength(5)
    expect(notification).toContain('&lt;!here&gt;')
    // Text from outside stands where Slack reads no markup.
    expect(JSON.stringify(blocks)).not.toContain('mrkdwn')
  })

  test('without an address of the console the command stands alone, and nothing is a dead link', () => {
    const { text, blocks } = drawn(waiting([aTool({})]), null)
    expect(text).toContain('npx holdpoint set-up shop')
    expect(text).not.toContain('console')
    expect(JSON.stringify(blocks)).not.toContain('"url"')
  })

  test('tools that are not known yet, with the reason', () => {
    const unknown = { kind: 'waiting', server: 'shop', proposal: null } as const
    expect(drawn({ ...unknown, problem: 'it is\u202E silent' }).text).toContain(
      'not known yet: it is\\u{202E} silent',
    )
    expect(drawn({ ...unknown, problem: null }).text).toContain('a policy of their own')
    expect(drawn({ ...unknown, problem: null }).text).toContain('not known yet: the gateway is asking')
  })
})
