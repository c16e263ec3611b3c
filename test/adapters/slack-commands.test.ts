/** `slack manifest` and `doctor slack`, as a person who sets Slack up for the first time meets them. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { temporaryDirectory } from '../support/gateway-process.ts'
import { memoryIdentities } from '../support/memory-identities.ts'
import { type SlackDouble, startSlackDouble } from '../support/slack/double.ts'
import { holdpoint } from './cli-runner.ts'

const noCredentials = {
  add: async () => {},
  revoke: async () => 0,
  list: async () => [],
  live: async () => new Map(),
  onChange: () => () => {},
}

let slack: SlackDouble
let channel: string
beforeAll(async () => {
  slack = await startSlackDouble({ messageRate: null })
  channel = slack.addChannel({ name: 'approvals' }).id
})
afterAll(() => slack.close())

function stage(env: Record<string, string>, to: string | null = channel) {
  const cwd = temporaryDirectory()
  const channels = to === null ? '' : `channels: { slack: { channel: ${to} } }\n`
  writeFileSync(
    join(cwd, 'holdpoint.yaml'),
    `people: { mina: {}, jun: {} }\ngroups: { ops: [mina] }\nagents: { bot: { owner: jun } }\n${channels}servers: { github: { url: "https://mcp.example.com/", approvers: [ops] } }\n`,
  )
  return { cwd, env, credentials: noCredentials, identities: memoryIdentities() }
}

const tokens = () => ({
  SLACK_BOT_TOKEN: slack.tokens.bot,
  SLACK_APP_TOKEN: slack.tokens.app,
  SLACK_API_URL: slack.slackApiUrl,
})

describe('slack manifest', () => {
  test('asks for no more than is needed, over Socket Mode without a public address', async () => {
    const { code, out, err } = await holdpoint(['slack', 'manifest'], stage({}))
    expect(code).toBe(0)
    const manifest = JSON.parse(out)
    expect(manifest.oauth_config.scopes.bot).toEqual(['chat:write', 'commands', 'im:write', 'users:read'])
    expect(manifest.settings).toMatchObject({
      socket_mode_enabled: true,
      interactivity: { is_enabled: true },
    })
    expect(out).not.toContain('url')
    expect(err).toContain('connections:write')
  })

  test('names our address where Slack can reach it', async () => {
    const { out } = await holdpoint(
      ['slack', 'manifest'],
      stage({ HOLDPOINT_PUBLIC_URL: 'https://hold.example.com/x/' }),
    )
    const url = 'https://hold.example.com/x/slack/events'
    const { settings, features } = JSON.parse(out)
    expect(settings).toMatchObject({ socket_mode_enabled: false, interactivity: { request_url: url } })
    expect(features.slash_commands[0]).toMatchObject({ command: '/holdpoint', url })
  })
})

test.each([
  ['SLACK_BOT_TOKEN', 'xoxp-of-a-person', 'xoxb-'],
  ['SLACK_APP_TOKEN', 'xoxb-of-a-bot', 'xapp-'],
  ['SLACK_SIGNING_SECRET', 'short', 'Signing Secret'],
  ['SLACK_API_URL', 'ftp://files.example', 'https://slack.com/api/'],
])('%s of another kind is refused with what to copy, and never repeated', async (name, written, remedy) => {
  const { code, err } = await holdpoint(['slack', 'manifest'], stage({ [name]: written }))
  expect(code).toBe(2)
  expect(err).toContain(name)
  expect(err).toContain(remedy)
  expect(err).not.toContain(written)
})

describe('doctor slack', () => {
  test('a complete set-up is fine, and its test card is gone afterwards', async () => {
    const set = stage(tokens())
    await set.identities.link('slack', `${slack.teamId}:U1`, 'mina')
    const { code, out } = await holdpoint(['doctor', 'slack'], set)
    expect(out).toContain('Slack is ready.')
    expect(out).toContain('not yet: jun')
    expect(code).toBe(0)
    expect(slack.messages(channel)).toEqual([])
    expect(slack.requestsOf('chat.postMessage').at(-1)?.args.text).toContain('no agent asks for anything')
  })

  test.each<[string, () => ReturnType<typeof stage>, string[]]>([
    ['nothing set', () => stage({}, null), ['name its channel in holdpoint.yaml', 'linked people: nobody']],
    ['no token', () => stage({}), ['set SLACK_BOT_TOKEN']],
    [
      'a wrong token',
      () => stage({ ...tokens(), SLACK_BOT_TOKEN: 'xoxb-wrong' }),
      ['bot token: invalid_auth', 'Check SLACK_BOT_TOKEN'],
    ],
    [
      'another channel',
      () => stage(tokens(), 'C0ELSEWHERE'),
      ['channel_not_found', 'channels.slack.channel'],
    ],
    [
      'no way for clicks',
      () => stage({ SLACK_BOT_TOKEN: slack.tokens.bot, SLACK_API_URL: slack.slackApiUrl }),
      ['clicks: cannot arrive'],
    ],
    [
      'nobody there',
      () => stage({ ...tokens(), SLACK_API_URL: 'http://127.0.0.1:9/' }),
      ['Is Slack reachable from here?'],
    ],
  ])('%s: says what is missing and what to do, and fails', async (_what, set, words) => {
    const { code, out } = await holdpoint(['doctor', 'slack'], set())
    expect(code).toBe(1)
    for (const part of words) expect(out).toContain(part)
  })

  test('names the scopes that the app lacks', async () => {
    slack.setScopes(['chat:write', 'commands', 'connections:write'])
    const { code, out } = await holdpoint(['doctor', 'slack', '--json'], stage(tokens()))
    slack.setScopes(['chat:write', 'commands', 'im:write', 'users:read', 'connections:write'])
    expect(code).toBe(1)
    const { checks } = JSON.parse(out)
    expect(checks).toContainEqual(
      expect.objectContaining({ name: 'scopes', isFine: false, found: 'without im:write, users:read' }),
    )
  })

  test('a channel without the app: says how to invite it', async () => {
    const closed = slack.addChannel({ name: 'closed', isWithoutBot: true }).id
    const { code, out } = await holdpoint(['doctor', 'slack'], stage(tokens(), closed))
    expect(code).toBe(1)
    expect(out).toContain('/invite @Holdpoint')
  })
})
