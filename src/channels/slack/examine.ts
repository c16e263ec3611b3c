/**
 * Checks the whole set-up against the real Slack, one answer for each part. Posts one card that says it is a test, and
 * takes it away again.
 */
import { webApi } from '@slack/bolt'
import type { Log } from '../../ports/log.ts'
import { context, header, lines } from './blocks.ts'
import { clientOptions, createSlackClient, type SlackAccess } from './client.ts'
import { remedyOf, slackError } from './faults.ts'
import { neededScopes } from './manifest.ts'

export interface Check {
  readonly name: string
  readonly isFine: boolean
  /** What was found. */
  readonly found: string
  /** What to do about it; `null` where nothing has to be done. */
  readonly remedy: string | null
}

export interface Examined {
  readonly access: SlackAccess
  readonly channel: string
  readonly appToken: string | null
  readonly signingSecret: string | null
}

/** In the order of the set-up; what cannot be asked without an earlier part is left out. */
export async function examineSlack(
  { access, channel, appToken, signingSecret }: Examined,
  log: Log,
): Promise<readonly Check[]> {
  const client = createSlackClient(access, log)
  const bot = await check('bot token', async () => {
    const { team, user, response_metadata: metadata } = await client.auth.test()
    return { found: `${user} in ${team}`, scopes: metadata?.scopes ?? [] }
  })
  const checks = [bot.check]
  if (bot.value !== null) {
    checks.push(scopesCheck(bot.value.scopes), await postCheck(client, channel))
  }
  if (appToken !== null) checks.push(await socketCheck(appToken, access.apiUrl, log))
  checks.push(doorCheck(appToken, signingSecret))
  return checks
}

function scopesCheck(scopes: readonly string[]): Check {
  const missing = neededScopes.filter((scope) => !scopes.includes(scope))
  return {
    name: 'scopes',
    isFine: missing.length === 0,
    found: missing.length === 0 ? neededScopes.join(', ') : `without ${missing.join(', ')}`,
    remedy:
      missing.length === 0
        ? null
        : `Add ${missing.join(', ')} under OAuth & Permissions and install the app again.`,
  }
}

async function postCheck(client: webApi.WebClient, channel: string): Promise<Check> {
  const { check: result } = await check(`channel ${channel}`, async () => {
    const text = 'A test by `npx holdpoint doctor slack`: no agent asks for anything.'
    const blocks = [
      header('Test card'),
      lines([{ label: '', text: 'holdpoint doctor slack asked for this. No agent asks for anything.' }]),
      context('It disappears by itself.'),
    ]
    const posted = await client.chat.postMessage({ channel, text, blocks })
    const { ts, channel: id } = posted
    if (ts === undefined || id === undefined) throw new Error('Slack did not say where the card is')
    await client.chat.update({ channel: id, ts, text, blocks: blocks.slice(0, 2) })
    await client.chat.delete({ channel: id, ts })
    return { found: `a test card was posted, changed and removed in ${id}` }
  })
  return result
}

async function socketCheck(appToken: string, apiUrl: string | null, log: Log): Promise<Check> {
  const client = new webApi.WebClient(appToken, clientOptions(apiUrl, log))
  const { check: result } = await check('app token', async () => {
    await client.apps.connections.open({})
    return { found: 'Slack offers a connection for Socket Mode' }
  })
  if (result.isFine || !result.found.includes('missing_scope')) return result
  return {
    ...result,
    remedy: 'Make an App-Level Token with the scope connections:write and set SLACK_APP_TOKEN.',
  }
}

function doorCheck(appToken: string | null, signingSecret: string | null): Check {
  const doors = [
    ...(appToken === null ? [] : ['Socket Mode (SLACK_APP_TOKEN)']),
    ...(signingSecret === null ? [] : ['HTTP (SLACK_SIGNING_SECRET)']),
  ]
  const isFine = doors.length > 0
  return {
    name: 'clicks',
    isFine,
    found: isFine ? `arrive over ${doors.join(' and ')}` : 'cannot arrive',
    remedy: isFine ? null : 'Set SLACK_APP_TOKEN for Socket Mode, or SLACK_SIGNING_SECRET for HTTP.',
  }
}

async function check<T extends { found: string }>(
  name: string,
  ask: () => Promise<T>,
): Promise<{ check: Check; value: T | null }> {
  try {
    const value = await ask()
    return { check: { name, isFine: true, found: value.found, remedy: null }, value }
  } catch (error) {
    const word = slackError(error)
    const found = word ?? (error instanceof Error ? error.message : String(error))
    const remedy =
      word === null ? 'Is Slack reachable from here? SLACK_API_URL is only for tests.' : remedyOf(word)
    return { check: { name, isFine: false, found, remedy }, value: null }
  }
}
