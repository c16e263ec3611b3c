/** Slack put together: the channel that shows cards, and the door that clicks come in by, over HTTP, a socket, or both. */
import type { Hono } from 'hono'
import { createAccounts } from '../channels/slack/accounts.ts'
import { createSlackApp } from '../channels/slack/app.ts'
import { createRetire, createSlackChannel, SLACK } from '../channels/slack/channel.ts'
import { createClicks } from '../channels/slack/clicks.ts'
import { CLICK_TIMEOUT_MS, createSlackClient } from '../channels/slack/client.ts'
import { createGranting } from '../channels/slack/granting.ts'
import { createSlackRoutes } from '../channels/slack/receiver.ts'
import { createReview } from '../channels/slack/review.ts'
import { createSelf } from '../channels/slack/self.ts'
import { createSlashCommand } from '../channels/slack/slash-command.ts'
import { keepSocket } from '../channels/slack/socket.ts'
import type { Config } from '../config.ts'
import type { Channel, SetUpChannel } from '../ports/channels.ts'
import type { Directory } from '../ports/directory.ts'
import type { Log } from '../ports/log.ts'
import type { People } from '../services/decide.ts'
import type { Grants } from '../services/grants.ts'
import { clock } from './clock.ts'
import type { OpenLedger } from './ledger.ts'

export interface SlackParts {
  readonly config: Config
  readonly botToken: string
  /** Where new cards go. */
  readonly channel: string
  readonly store: OpenLedger
  readonly directory: Directory
  readonly log: Log
}

export interface SlackDoor {
  /** `null`: clicks come over Socket Mode only. */
  readonly routes: Hono | null
  stop(): Promise<void>
}

/** Asks Slack nothing yet, so that a Slack that is away changes nothing. */
export async function openChannel(parts: SlackParts): Promise<Channel & SetUpChannel> {
  const { config, botToken, channel, log } = parts
  const client = createSlackClient({ botToken, apiUrl: config.slack.apiUrl }, log)
  return createSlackChannel({
    ...(await cardDeps(parts)),
    client,
    self: createSelf(client),
    channel,
    identities: parts.store.identities,
    clock,
  })
}

/** It needs the ledger and the people, and no upstream. */
export async function openDoor(parts: SlackParts & { people: People; grants: Grants }): Promise<SlackDoor> {
  const { config, botToken, store, people, grants, log } = parts
  const { appToken, signingSecret, apiUrl } = config.slack
  const { ledger, cards, identities } = store
  const access = { botToken, apiUrl }
  const client = createSlackClient(access, log, CLICK_TIMEOUT_MS)
  const self = createSelf(client)
  const shared = { ...(await cardDeps(parts)), ledger, channel: SLACK, clock, log }
  const accounts = createAccounts({ ...shared, client, self, identities })
  const clicks = createClicks({
    ...shared,
    cards,
    accounts,
    people,
    grants,
    retire: createRetire(client, log),
  })
  const review = createReview({ ...shared, clicks })
  const app = createSlackApp({
    access,
    client,
    clicks,
    review,
    granting: createGranting({ ...shared, clicks, review }),
    slashCommand: createSlashCommand({ ...shared, identities, accounts }),
    log,
  })
  // Known before the first click, where Slack is there; otherwise the first click asks.
  self().catch(() => {})

  const stopping = new AbortController()
  const socket =
    appToken === null ? null : keepSocket({ app, appToken, apiUrl, clock, stopping: stopping.signal, log })
  const ownAppId = () => self.known()?.appId ?? null
  return {
    routes: signingSecret === null ? null : createSlackRoutes({ app, signingSecret, ownAppId, log }),
    async stop() {
      stopping.abort()
      await socket
    },
  }
}

/** The key is the same in every process, so that any of them can judge what another has drawn. */
async function cardDeps({ config: { publicUrl, timings }, store, directory }: SlackParts) {
  const key = await store.sharedKey('slack-buttons')
  return { key, directory, startWithinMs: timings.startByMs, publicUrl }
}
