/**
 * Slack as a channel: one message for each approval, changed in place. Obeys Slack's pauses by itself, so that not every
 * card of a busy minute has to be refused first.
 */
import type { webApi } from '@slack/bolt'
import type { ApprovalId } from '../../domain/approval-id.ts'
import { sha256 } from '../../domain/canonical.ts'
import type { Person } from '../../domain/principal.ts'
import { type Channel, ChannelFault, type SetUpChannel } from '../../ports/channels.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Identities } from '../../ports/identities.ts'
import type { Log } from '../../ports/log.ts'
import { parseAccount } from './accounts.ts'
import { context } from './blocks.ts'
import { type CardDeps, cardOf } from './card.ts'
import { slackError, toFault } from './faults.ts'
import { noticeOf } from './notices.ts'
import { MENTIONS_MAX, nudgeOf } from './nudges.ts'
import { type Place, parsePlace, placeText } from './place.ts'
import type { Self } from './self.ts'
import { setUpCardOf } from './set-up-card.ts'

export const SLACK = 'slack'

export interface SlackChannelDeps extends CardDeps {
  readonly client: webApi.WebClient
  readonly self: Self
  /** Id or `#name` of the channel for new cards. */
  readonly channel: string
  readonly identities: Pick<Identities, 'accountsOf'>
  readonly clock: Clock
}

export function createSlackChannel(deps: SlackChannelDeps): Channel & SetUpChannel {
  const { client, self, channel, identities, clock } = deps
  const pausedUntilMs = new Map<string, number>()

  /** Slack limits posts for each channel, and every other method as a whole. */
  async function obeying<T>(method: string, call: () => Promise<T>): Promise<T> {
    const leftMs = (pausedUntilMs.get(method) ?? 0) - clock.monotonicMs()
    if (leftMs > 0)
      throw new ChannelFault('Slack asked for a pause', true, leftMs, { isCertainlyUnposted: true })
    try {
      return await call()
    } catch (error) {
      const fault = toFault(error)
      if (fault.retryAfterMs !== null) pausedUntilMs.set(method, clock.monotonicMs() + fault.retryAfterMs)
      throw fault
    }
  }

  function send(content: Content, to: string, threadTs: string | null) {
    return obeying(`post ${to}`, () =>
      client.chat.postMessage({
        channel: to,
        ...(threadTs === null ? {} : { thread_ts: threadTs }),
        ...content,
        ...literally,
        unfurl_links: false,
        unfurl_media: false,
        mrkdwn: false,
      }),
    )
  }

  async function post(content: Content, to = channel, threadTs: string | null = null): Promise<Place> {
    const posted = await send(content, to, threadTs)
    const { ts, channel: id } = posted
    const app = posted.message?.app_id ?? (await obeying('self', () => self())).appId
    if (ts === undefined || id === undefined)
      throw new ChannelFault('Slack did not say where the card is', true, null)
    return { app, channel: id, ts }
  }

  /** `false`: the message is gone, or Slack does not let us change it any more. */
  async function update({ channel: id, ts }: Place, content: Content): Promise<boolean> {
    try {
      await obeying('update', () => client.chat.update({ channel: id, ts, ...content, ...literally }))
      return true
    } catch (error) {
      const word = error instanceof ChannelFault ? slackError(error.cause) : null
      if (word !== null && lost.has(word)) return false
      throw error
    }
  }

  /** Those of them who have linked an account, as far as one message mentions people. */
  async function accountsIn(people: readonly Person[]) {
    const called: { id: string; user: string }[] = []
    for (const { id } of people) {
      if (called.length === MENTIONS_MAX) break
      const [account] = await identities.accountsOf(SLACK, id)
      const user = account === undefined ? undefined : parseAccount(account)?.user
      if (user !== undefined) called.push({ id, user })
    }
    return called
  }

  return {
    name: SLACK,
    async show(showing, at) {
      const card = cardOf(showing, deps)
      const content: Content = { text: card.text, blocks: [...card.blocks] }
      const renderDigest = sha256(JSON.stringify(card))
      if (at !== null && (await update(parsePlace(at), content))) return { place: at, renderDigest }
      // Somebody removed the card. What is over needs no new one.
      if (at !== null && showing.approval.status === 'settled') return { place: at, renderDigest }
      return { place: placeText(await post(content)), renderDigest }
    },

    async showSetUp(showing, at) {
      const { text, blocks } = setUpCardOf(showing, deps.publicUrl)
      const content: Content = { text, blocks: [...blocks] }
      if (at !== null && (await update(parsePlace(at), content))) return at
      // Somebody removed the message. That a server is set up is no news without the one that said it was not.
      if (at !== null && showing.kind === 'set_up') return at
      return placeText(await post(content))
    },

    async tell(notice) {
      // Somebody who has left the configuration is told nothing any more.
      if (deps.directory.person(notice.person) === null) return false
      const [account] = await identities.accountsOf(SLACK, notice.person)
      const user = account === undefined ? null : parseAccount(account)?.user
      if (user === null || user === undefined) return false
      const { publicUrl, startWithinMs } = deps
      const card = notice.cardPlace === null ? null : parsePlace(notice.cardPlace)
      const isInThread = notice.why === 'decided' && card !== null
      const content = noticeOf(notice, { mention: isInThread ? user : null, publicUrl, startWithinMs })
      const message = { text: content.text, blocks: [...content.blocks] }
      if (isInThread) await post(message, card.channel, card.ts)
      // A user's id as the channel means the direct messages with that user.
      else await post(message, user)
      return true
    },

    async nudge(nudging) {
      const called = await accountsIn(nudging.people)
      const { text, blocks } = nudgeOf(nudging, {
        users: called.map(({ user }) => user),
        publicUrl: deps.publicUrl,
      })
      const card = parsePlace(nudging.cardPlace)
      await send({ text, blocks: [...blocks] }, card.channel, card.ts)
      return called.map(({ id }) => id)
    },
  }
}

/** Takes the buttons off a card that is not the one we change any more. */
export function createRetire(client: webApi.WebClient, log: Log): (place: Place, id: ApprovalId) => void {
  return function retire({ channel, ts }, id) {
    const text = `An older copy of the card of ${id}. The newest one counts.`
    client.chat
      .update({ channel, ts, text, blocks: [context(text)], ...literally })
      .catch((error: unknown) => log.warn({ err: error, approval: id }, 'an older card could not be marked'))
  }
}

type Content = { text: string; blocks: webApi.KnownBlock[] }

/** Names and links in the fallback text stay words. */
const literally = { parse: 'none', link_names: false } as const

const lost = new Set(['message_not_found', 'cant_update_message', 'edit_window_closed'])
