/** What of Slack is configured, and who loads it: Bolt takes a while, so only whoever uses Slack does. */
import type { Config } from '../config.ts'
import { CLI } from '../domain/command-line.ts'
import type { Channel, SetUpChannel } from '../ports/channels.ts'
import type { Log } from '../ports/log.ts'
import type { People } from '../services/decide.ts'
import type { Grants } from '../services/grants.ts'
import type { SlackDoor, SlackParts } from './slack-open.ts'

type Parts = Omit<SlackParts, 'botToken' | 'channel'>

/** What Slack still needs, in one line; `null`: nothing. */
export function slackMissing({ channels, slack }: Pick<Config, 'channels' | 'slack'>): string | null {
  if (channels.slack === null)
    return 'name its channel in holdpoint.yaml: channels: { slack: { channel: C… } }'
  if (slack.botToken === null) return `set SLACK_BOT_TOKEN (\`${CLI} slack manifest\` makes the app)`
  if (slack.appToken === null && slack.signingSecret === null) {
    return 'set SLACK_APP_TOKEN (Socket Mode) or SLACK_SIGNING_SECRET (HTTP), else no click arrives'
  }
  return null
}

/** `null`: no cards in Slack. */
export async function openSlackChannel(parts: Parts): Promise<(Channel & SetUpChannel) | null> {
  const whereTo = target(parts.config)
  if (whereTo === null) return null
  const { openChannel } = await import('./slack-open.ts')
  return openChannel({ ...parts, ...whereTo })
}

/** `null`: no click could arrive. */
export async function openSlackDoor(
  parts: Parts & { people: People; grants: Grants },
): Promise<SlackDoor | null> {
  const whereTo = target(parts.config)
  if (whereTo === null || slackMissing(parts.config) !== null) return null
  const { openDoor } = await import('./slack-open.ts')
  return openDoor({ ...parts, ...whereTo })
}

/** The app to make in Slack: over HTTP where Slack can reach us, otherwise over Socket Mode. */
export async function manifestFor({ publicUrl, slack }: Pick<Config, 'publicUrl' | 'slack'>) {
  const { slackManifest } = await import('../channels/slack/manifest.ts')
  const isReachable = publicUrl?.protocol === 'https:' && slack.appToken === null
  return slackManifest(isReachable ? `${publicUrl.href.replace(/\/+$/, '')}/slack/events` : null)
}

/** What Slack itself says about the set-up. `null`: there is nothing to ask it with yet. */
export async function examine(config: Pick<Config, 'channels' | 'slack'>, log: Log) {
  const whereTo = target(config)
  if (whereTo === null) return null
  const { examineSlack } = await import('../channels/slack/examine.ts')
  const { apiUrl, appToken, signingSecret } = config.slack
  const access = { botToken: whereTo.botToken, apiUrl }
  return examineSlack({ access, channel: whereTo.channel, appToken, signingSecret }, log)
}

function target({ channels, slack }: Pick<Config, 'channels' | 'slack'>) {
  if (channels.slack === null || slack.botToken === null) return null
  return { botToken: slack.botToken, channel: channels.slack.channel }
}
