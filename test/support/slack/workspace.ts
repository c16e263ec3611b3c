/** What the double remembers: people, channels, messages with every version of them, views, and what expires. */
import { randomBytes } from 'node:crypto'
import type { Fields } from './json.ts'
import type { Shown } from './reader.ts'

export interface SlackUser {
  readonly id: string
  readonly name: string
  readonly realName: string
  readonly teamId: string
  readonly email: string
  readonly tz: string
  readonly isBot: boolean
  readonly isDeleted: boolean
  /** A guest of several channels, or of one. */
  readonly isRestricted: boolean
  readonly isUltraRestricted: boolean
  /** Of another company, met in a shared channel. */
  readonly isStranger: boolean
}

export interface SlackChannel {
  readonly id: string
  readonly name: string
  readonly kind: 'public' | 'private' | 'im'
  readonly isArchived: boolean
  readonly members: ReadonlySet<string>
}

export interface SlackMessage extends Shown {
  readonly channel: string
  readonly ts: string
  /** `null` for a message of its own. */
  readonly threadTs: string | null
  /** Who wrote it. The app's own bot, unless the test says otherwise. */
  readonly user: string
  /** Everything it said so far, the present included, oldest first. */
  readonly versions: readonly Shown[]
  /** The arguments of the call that posted it, e.g. `unfurl_links`. */
  readonly postedWith: Fields
}

export interface SlackEphemeral extends Shown {
  readonly channel: string
  readonly ts: string
  readonly threadTs: string | null
  /** The only person who sees it. */
  readonly user: string
  /** `response_url`, `chat.postEphemeral` or the answer to a command. */
  readonly via: string
}

export interface SlackView {
  readonly id: string
  readonly hash: string
  readonly user: string
  readonly type: 'modal' | 'home'
  readonly title: string
  readonly blocks: readonly Fields[]
  readonly callbackId: string
  readonly privateMetadata: string
  readonly externalId: string
  readonly rootId: string
  readonly previousId: string | null
  readonly isOpen: boolean
  /** The last refusals of a submission, by `block_id`. */
  readonly errors: Readonly<Record<string, string>>
  /** As it was sent. */
  readonly sent: Fields
}

export interface Trigger {
  readonly id: string
  readonly user: string
  readonly expiresAtMs: number
  /** The modal in which the person acted, `null` elsewhere. Only from there may a view be pushed. */
  readonly viewId: string | null
  readonly isUsed: boolean
}

export interface ResponseUrl {
  readonly path: string
  readonly channel: string
  readonly user: string
  /** The message that was clicked, `null` for a command. */
  readonly ts: string | null
  readonly expiresAtMs: number
  readonly uses: number
}

export type Workspace = ReturnType<typeof createWorkspace>

export const TEAM_ID = 'T0HOLD'
export const TEAM_DOMAIN = 'holdpoint-test'
export const APP_ID = 'A0HOLD'
export const BOT_ID = 'B0HOLD'
export const BOT_USER_ID = 'U0BOT'

/** `trigger_id` is good for three seconds and one use; a `response_url` for half an hour and five. */
const TRIGGER_MS = 3000
const RESPONSE_URL_MS = 30 * 60_000

export function createWorkspace({ nowMs }: { readonly nowMs: () => number }) {
  const users = new Map<string, SlackUser>()
  const channels = new Map<string, SlackChannel>()
  const usergroups = new Map<string, { readonly id: string; handle: string; users: readonly string[] }>()
  const messages = new Map<string, SlackMessage>()
  const ephemerals: SlackEphemeral[] = []
  const views = new Map<string, SlackView>()
  const triggers = new Map<string, Trigger>()
  const responseUrls = new Map<string, ResponseUrl>()
  const watchers = new Set<() => void>()
  let counter = 0

  const key = (channel: string, ts: string) => `${channel}/${ts}`
  const nextId = (prefix: string) => `${prefix}${(++counter).toString(36).toUpperCase().padStart(8, '0')}`

  function changed(): void {
    for (const watch of watchers) watch()
  }

  function putUser(user: SlackUser): SlackUser {
    users.set(user.id, user)
    changed()
    return user
  }

  function putChannel(channel: SlackChannel): SlackChannel {
    channels.set(channel.id, channel)
    return channel
  }

  function putMessage(message: Omit<SlackMessage, 'versions'>): SlackMessage {
    const before = messages.get(key(message.channel, message.ts))?.versions ?? []
    const stored = { ...message, versions: [...before, { text: message.text, blocks: message.blocks }] }
    messages.set(key(message.channel, message.ts), stored)
    changed()
    return stored
  }

  function putView(view: Omit<SlackView, 'hash'>): SlackView {
    const hash = `${Math.floor(nowMs() / 1000)}.${randomBytes(4).toString('hex')}`
    const stored = { ...view, hash }
    views.set(view.id, stored)
    changed()
    return stored
  }

  return {
    users,
    channels,
    usergroups,
    ephemerals,
    views,
    nextId,
    putUser,
    putChannel,
    putMessage,
    putView,
    message: (channel: string, ts: string) => messages.get(key(channel, ts)),
    messages: () => [...messages.values()],
    deleteMessage(channel: string, ts: string): void {
      messages.delete(key(channel, ts))
      changed()
    },
    putEphemeral(ephemeral: SlackEphemeral): void {
      ephemerals.push(ephemeral)
      changed()
    },
    /** Unique and in order, as Slack's are within a channel. */
    nextTs: () => `${Math.floor(nowMs() / 1000)}.${(++counter).toString().padStart(6, '0')}`,
    /** Blocks as Slack gives them back: each with a `block_id`, each element with an `action_id`. */
    named: (blocks: readonly Fields[]): Fields[] => nameBlocks(blocks, nextId),
    /** The direct-message channel of the bot with this person, opened when there is none. */
    imOf(user: string): SlackChannel {
      const id = `D${user.slice(1)}`
      const members = new Set([user, BOT_USER_ID])
      return channels.get(id) ?? putChannel({ id, name: user, kind: 'im', isArchived: false, members })
    },
    openTrigger(user: string, viewId: string | null): Trigger {
      const id = `${nextId('9')}.${nextId('8')}.${randomBytes(8).toString('hex')}`
      const trigger = { id, user, viewId, expiresAtMs: nowMs() + TRIGGER_MS, isUsed: false }
      triggers.set(id, trigger)
      return trigger
    },
    /** The trigger, spent now, or why Slack does not take it. */
    useTrigger(id: string): { readonly trigger: Trigger } | { readonly error: string } {
      const trigger = triggers.get(id)
      if (trigger === undefined) return { error: 'invalid_trigger_id' }
      if (trigger.isUsed) return { error: 'exchanged_trigger_id' }
      if (trigger.expiresAtMs < nowMs()) return { error: 'expired_trigger_id' }
      triggers.set(id, { ...trigger, isUsed: true })
      return { trigger }
    },
    openResponseUrl(place: Pick<ResponseUrl, 'channel' | 'user' | 'ts'>): ResponseUrl {
      const path = `/actions/${TEAM_ID}/${nextId('')}/${randomBytes(12).toString('base64url')}`
      const responseUrl = { ...place, path, expiresAtMs: nowMs() + RESPONSE_URL_MS, uses: 0 }
      responseUrls.set(path, responseUrl)
      return responseUrl
    },
    useResponseUrl(path: string): { readonly responseUrl: ResponseUrl } | { readonly error: string } {
      const responseUrl = responseUrls.get(path)
      if (responseUrl === undefined) return { error: 'invalid_url' }
      if (responseUrl.expiresAtMs < nowMs()) return { error: 'expired_url' }
      if (responseUrl.uses >= RESPONSE_URL_USES) return { error: 'used_url' }
      responseUrls.set(path, { ...responseUrl, uses: responseUrl.uses + 1 })
      return { responseUrl }
    },
    changed,
    /** Resolves with the first defined answer, now or after a change; after the limit says what it was waiting for. */
    until<T>(read: () => T | undefined, what: () => string, limitMs: number): Promise<T> {
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          watchers.delete(look)
          reject(new Error(`not within ${limitMs} ms: ${what()}`))
        }, limitMs)
        function look(): void {
          const found = read()
          if (found === undefined) return
          watchers.delete(look)
          clearTimeout(timer)
          resolve(found)
        }
        watchers.add(look)
        look()
      })
    },
  }
}

const RESPONSE_URL_USES = 5

function nameBlocks(blocks: readonly Fields[], nextId: (prefix: string) => string): Fields[] {
  const nameElement = (element: unknown) => {
    const isNameless = typeof element === 'object' && element !== null && !('action_id' in element)
    const type = isNameless && 'type' in element ? String(element.type) : ''
    return isNameless && INTERACTIVE.test(type) ? { ...element, action_id: nextId('') } : element
  }
  return blocks.map((block) => ({
    ...block,
    block_id: block.block_id ?? nextId('b'),
    ...(block.type === 'actions' && Array.isArray(block.elements)
      ? { elements: block.elements.map(nameElement) }
      : {}),
    ...(block.accessory === undefined ? {} : { accessory: nameElement(block.accessory) }),
    ...(block.element === undefined ? {} : { element: nameElement(block.element) }),
  }))
}

const INTERACTIVE = /button|select|overflow|checkboxes|picker|input/
