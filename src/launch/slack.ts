/** Slack put together from configuration and stores: the channel that shows cards, and the door that clicks come in by. */
import type { Hono } from 'hono'
import type { Config } from '../config.ts'
import type { Channel } from '../ports/channels.ts'
import type { Directory } from '../ports/directory.ts'
import type { Log } from '../ports/log.ts'
import type { People } from '../services/decide.ts'
import { clock } from './clock.ts'
import type { OpenLedger } from './ledger.ts'

interface SlackParts {
  readonly config: Config
  readonly store: OpenLedger
  readonly directory: Directory
  readonly log: Log
}

export interface SlackDoor {
  /** `null`: clicks come over Socket Mode only. */
  readonly routes: Hono | null
  stop(): Promise<void>
}

/** What Slack still needs, in one line; `null`: nothing. */
export function slackMissing({ channels, slack }: Pick<Config, 'channels' | 'slack'>): string | null {
  if (channels.slack === null)
    return 'name its channel in holdpoint.yaml: channels: { slack: { channel: C… } }'
  if (slack.botToken === null) return 'set SLACK_BOT_TOKEN (`holdpoint slack manifest` makes the app)'
  if (slack.appToken === null && slack.signingSecret === null) {
    return 'set SLACK_APP_TOKEN (Socket Mode) or SLACK_SIGNING_SECRET (HTTP), else no click arrives'
  }
  return null
}

/** `null`: Slack is not configured. Asks Slack nothing yet, so that a Slack that is away changes nothing. */
export async function openSlackChannel(parts: SlackParts): Promise<Channel | null> {
  const basis = await openBasis(parts)
  if (basis === null) return null
  const { createSlackChannel } = await import('../channels/slack/channel.ts')
  return createSlackChannel({ ...basis, clock })
}

export async function openSlackDoor(parts: SlackParts & { people: People }): Promise<SlackDoor | null> {
  const { config, store, directory, people, log } = parts
  const basis = await openBasis(parts)
  const { appToken, signingSecret, apiUrl } = config.slack
  if (basis === null || (appToken === null && signingSecret === null)) return null
  const { ledger, cards, identities } = store
  const [
    { createRetire, SLACK },
    { createAccounts },
    { createClicks },
    { createReview },
    { createSlashCommand },
  ] = await Promise.all([
    import('../channels/slack/channel.ts'),
    import('../channels/slack/accounts.ts'),
    import('../channels/slack/clicks.ts'),
    import('../channels/slack/review.ts'),
    import('../channels/slack/slash-command.ts'),
  ])
  const [{ createSlackApp }, { createSlackRoutes }, { keepSocket }, { CLICK_TIMEOUT_MS, createSlackClient }] =
    await Promise.all([
      import('../channels/slack/app.ts'),
      import('../channels/slack/receiver.ts'),
      import('../channels/slack/socket.ts'),
      import('../channels/slack/client.ts'),
    ])
  const hasty = createSlackClient(basis.access, log, CLICK_TIMEOUT_MS)
  const accounts = createAccounts({
    client: hasty,
    self: basis.self,
    identities,
    directory,
    channel: SLACK,
    clock,
    log,
  })
  const clicks = createClicks({
    key: basis.key,
    channel: SLACK,
    ledger,
    cards,
    accounts,
    people,
    retire: createRetire(basis.client, log),
    clock,
    log,
  })
  const app = createSlackApp({
    access: basis.access,
    client: hasty,
    clicks,
    review: createReview({ ...basis, clicks, ledger }),
    slashCommand: createSlashCommand({ identities, directory, accounts, channel: SLACK, clock, log }),
    log,
  })
  const stopping = new AbortController()
  const socket =
    appToken === null ? null : keepSocket({ app, appToken, apiUrl, clock, stopping: stopping.signal, log })
  const ownAppId = () => basis.self.known()?.appId ?? null
  return {
    routes: signingSecret === null ? null : createSlackRoutes({ app, signingSecret, ownAppId, log }),
    async stop() {
      stopping.abort()
      await socket
    },
  }
}

/** The app to make in Slack: over HTTP where Slack can reach us, otherwise over Socket Mode. */
export async function manifestFor({ publicUrl, slack }: Pick<Config, 'publicUrl' | 'slack'>) {
  const { slackManifest } = await import('../channels/slack/manifest.ts')
  const isReachable = publicUrl?.protocol === 'https:' && slack.appToken === null
  return slackManifest(isReachable ? `${publicUrl.href.replace(/\/+$/, '')}/slack/events` : null)
}

/** What Slack itself says about the set-up. `null`: there is nothing to ask it with yet. */
export async function examine({ channels, slack }: Pick<Config, 'channels' | 'slack'>, log: Log) {
  const { botToken, apiUrl, appToken, signingSecret } = slack
  if (channels.slack === null || botToken === null) return null
  const { examineSlack } = await import('../channels/slack/examine.ts')
  const { channel } = channels.slack
  return examineSlack({ access: { botToken, apiUrl }, channel, appToken, signingSecret }, log)
}

/** Bolt takes a while to load, so only whoever uses Slack loads it. */
async function openBasis({ config, store, directory, log }: SlackParts) {
  const { channels, slack, publicUrl, timings } = config
  if (channels.slack === null || slack.botToken === null) return null
  const { createSlackClient } = await import('../channels/slack/client.ts')
  const { createSelf } = await import('../channels/slack/self.ts')
  const access = { botToken: slack.botToken, apiUrl: slack.apiUrl }
  const client = createSlackClient(access, log)
  return {
    access,
    client,
    self: createSelf(client),
    channel: channels.slack.channel,
    key: await store.sharedKey('slack-buttons'),
    directory,
    startWithinMs: timings.startByMs,
    publicUrl,
  }
}
