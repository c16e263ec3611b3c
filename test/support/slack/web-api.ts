/** Slack's Web API on the double's workspace: every method answers as Slack does, refusals included. */
import { type Fields, fieldsOf, isFields, isTrue, listOf, parseJson, stringOf } from './json.ts'
import { type Refusal, refuseMessage, refuseView } from './limits.ts'
import { createRateLimit, type Rate, tiers } from './rate-limit.ts'
import {
  APP_ID,
  BOT_ID,
  BOT_USER_ID,
  type SlackChannel,
  type SlackMessage,
  type SlackUser,
  type SlackView,
  TEAM_DOMAIN,
  TEAM_ID,
  type Workspace,
} from './workspace.ts'

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Fields
}

export interface SlackRequest {
  readonly method: string
  readonly token: string
  readonly args: Fields
  readonly contentType: string
  readonly body: string
  readonly atMs: number
  /** Also when it was lost on the way. `null` as long as there is none: the call is held, or met with silence. */
  readonly answer: Answer | null
}

export interface Tokens {
  readonly bot: string
  readonly app: string
}

export interface Access {
  scopes: ReadonlySet<string>
  /** Of the app-level token. */
  appScopes: ReadonlySet<string>
  /** What every call answers instead of working, e.g. `token_revoked`. */
  tokenError: string | null
  /** `null`: no limits at all. */
  messageRate: Rate | null
}

interface Method {
  readonly token: 'bot' | 'app' | 'either'
  /** One of these is needed; none for an empty list. */
  readonly scopes: readonly string[]
  run(args: Fields, token: string): Fields
}

export function createWebApi(dependencies: {
  readonly workspace: Workspace
  readonly nowMs: () => number
  readonly tokens: Tokens
  readonly access: Access
  readonly openSocketUrl: () => string
}) {
  const { workspace, nowMs, tokens, access, openSocketUrl } = dependencies
  const rateLimit = createRateLimit({ nowMs })

  function call(method: string, token: string, args: Fields): Answer {
    const known = methods[method]
    if (known === undefined) return answer(fail('unknown_method', { req_method: method }), token)
    const refusal = refuseToken(known, token)
    if (refusal !== null) return answer(refusal, token)
    const retryAfterS = waitFor(method, args)
    if (retryAfterS !== null) return rateLimited(retryAfterS)
    return answer(known.run(args, token), token)
  }

  function answer(body: Fields, token: string): Answer {
    return { status: 200, headers: { 'x-oauth-scopes': [...scopesOf(token)].join(',') }, body }
  }

  const scopesOf = (token: string) => (token === tokens.app ? access.appScopes : access.scopes)

  function refuseToken({ token: kind, scopes }: Method, token: string): Fields | null {
    if (token === '') return fail('not_authed')
    const isKnown = token === tokens.bot || token === tokens.app
    if (!isKnown) return fail('invalid_auth')
    if (access.tokenError !== null) return fail(access.tokenError)
    const isRightKind = kind === 'either' || token === tokens[kind]
    if (!isRightKind) return fail('not_allowed_token_type')
    const provided = scopesOf(token)
    if (scopes.length === 0 || scopes.some((scope) => provided.has(scope))) return null
    return fail('missing_scope', { needed: scopes.join(','), provided: [...provided].join(',') })
  }

  function waitFor(method: string, args: Fields): number | null {
    if (access.messageRate === null) return null
    if (method === 'chat.postMessage')
      return rateLimit.take(`${method} ${stringOf(args.channel)}`, access.messageRate)
    const rate = tiers[method]
    return rate === undefined ? null : rateLimit.take(method, rate)
  }

  const methods: Readonly<Record<string, Method>> = {
    'auth.test': { token: 'either', scopes: [], run: (_args, token) => authTest(token) },
    'api.test': { token: 'either', scopes: [], run: (args) => ok({ args }) },
    'apps.connections.open': {
      token: 'app',
      scopes: ['connections:write'],
      run: () => ok({ url: openSocketUrl() }),
    },
    'bots.info': { token: 'bot', scopes: ['users:read'], run: botsInfo },
    'chat.postMessage': { token: 'bot', scopes: ['chat:write'], run: postMessage },
    'chat.update': { token: 'bot', scopes: ['chat:write'], run: updateMessage },
    'chat.delete': { token: 'bot', scopes: ['chat:write'], run: deleteMessage },
    'chat.postEphemeral': { token: 'bot', scopes: ['chat:write'], run: postEphemeral },
    'chat.getPermalink': { token: 'bot', scopes: [], run: permalink },
    'conversations.open': { token: 'bot', scopes: ['im:write'], run: openConversation },
    'conversations.info': {
      token: 'bot',
      scopes: ['channels:read', 'groups:read', 'im:read', 'mpim:read'],
      run: conversationInfo,
    },
    'reactions.add': { token: 'bot', scopes: ['reactions:write'], run: addReaction },
    'usergroups.list': { token: 'bot', scopes: ['usergroups:read'], run: listUsergroups },
    'usergroups.users.list': { token: 'bot', scopes: ['usergroups:read'], run: listUsergroupUsers },
    'users.info': { token: 'bot', scopes: ['users:read'], run: userInfo },
    'users.list': { token: 'bot', scopes: ['users:read'], run: listUsers },
    'users.lookupByEmail': { token: 'bot', scopes: ['users:read.email'], run: userByEmail },
    'views.open': { token: 'bot', scopes: [], run: openView },
    'views.push': { token: 'bot', scopes: [], run: pushView },
    'views.update': { token: 'bot', scopes: [], run: updateView },
    'views.publish': { token: 'bot', scopes: [], run: publishView },
  }

  function authTest(token: string): Fields {
    if (token === tokens.app) return ok({ app_name: 'Holdpoint', app_id: APP_ID })
    return ok({
      url: `https://${TEAM_DOMAIN}.slack.com/`,
      team: 'Holdpoint test',
      user: 'holdpoint',
      team_id: TEAM_ID,
      user_id: BOT_USER_ID,
      bot_id: BOT_ID,
      is_enterprise_install: false,
    })
  }

  function botsInfo({ bot }: Fields): Fields {
    if (bot !== BOT_ID) return fail('bot_not_found')
    return ok({
      bot: { id: BOT_ID, app_id: APP_ID, user_id: BOT_USER_ID, name: 'holdpoint', deleted: false },
    })
  }

  /** The channel the bot may write to, or Slack's refusal. A user's id means the direct messages with that user. */
  function writable(channel: unknown): SlackChannel | { readonly error: string } {
    const id = stringOf(channel)
    if (id === '') return { error: 'channel_not_found' }
    const user = workspace.users.get(id)
    const found = user === undefined ? workspace.channels.get(id) : workspace.imOf(user.id)
    if (found === undefined) return { error: 'channel_not_found' }
    if (found.isArchived) return { error: 'is_archived' }
    if (found.members.has(BOT_USER_ID)) return found
    // Slack does not tell a bot that a private channel exists.
    if (found.kind === 'private') return { error: 'channel_not_found' }
    return access.scopes.has('chat:write.public') ? found : { error: 'not_in_channel' }
  }

  function refuseContent(args: Fields, textMax: number): Fields | null {
    const hasBlocks = args.blocks !== undefined && !(Array.isArray(args.blocks) && args.blocks.length === 0)
    const isEmpty = stringOf(args.text) === '' && !hasBlocks
    if (isEmpty && args.attachments === undefined) return fail('no_text')
    const refusal = refuseMessage({ text: stringOf(args.text), blocks: args.blocks, textMax })
    return refusal === null ? null : refused(refusal)
  }

  function postMessage(args: Fields): Fields {
    const channel = writable(args.channel)
    if ('error' in channel) return fail(channel.error)
    const wrong = refuseContent(args, POST_TEXT_MAX) ?? refuseThread(channel.id, args.thread_ts)
    if (wrong !== null) return wrong
    const message = workspace.putMessage({
      channel: channel.id,
      ts: workspace.nextTs(),
      threadTs: args.thread_ts === undefined ? null : stringOf(args.thread_ts),
      user: BOT_USER_ID,
      text: stringOf(args.text),
      blocks: workspace.named(listOf(args.blocks).filter(isFields)),
      postedWith: args,
    })
    return ok({ channel: channel.id, ts: message.ts, message: wireMessage(message) })
  }

  function refuseThread(channel: string, threadTs: unknown): Fields | null {
    if (threadTs === undefined) return null
    if (!/^\d{10,}\.\d{6}$/.test(stringOf(threadTs))) return fail('invalid_thread_ts')
    return workspace.message(channel, stringOf(threadTs)) === undefined ? fail('thread_not_found') : null
  }

  function updateMessage(args: Fields): Fields {
    const channel = writable(args.channel)
    if ('error' in channel) return fail(channel.error)
    const message = workspace.message(channel.id, stringOf(args.ts))
    if (message === undefined) return fail('message_not_found')
    if (message.user !== BOT_USER_ID) return fail('cant_update_message')
    const wrong = refuseContent(args, UPDATE_TEXT_MAX)
    if (wrong !== null) return wrong
    const { versions: _versions, ...before } = message
    const updated = workspace.putMessage({
      ...before,
      text: stringOf(args.text),
      // Blocks that are not mentioned stay; an empty list takes them away.
      blocks:
        args.blocks === undefined ? message.blocks : workspace.named(listOf(args.blocks).filter(isFields)),
    })
    return ok({ channel: channel.id, ts: updated.ts, text: updated.text, message: wireMessage(updated) })
  }

  function deleteMessage(args: Fields): Fields {
    const channel = writable(args.channel)
    if ('error' in channel) return fail(channel.error)
    const message = workspace.message(channel.id, stringOf(args.ts))
    if (message === undefined) return fail('message_not_found')
    if (message.user !== BOT_USER_ID) return fail('cant_delete_message')
    workspace.deleteMessage(channel.id, message.ts)
    return ok({ channel: channel.id, ts: message.ts })
  }

  function postEphemeral(args: Fields): Fields {
    const channel = writable(args.channel)
    if ('error' in channel) return fail(channel.error)
    const user = workspace.users.get(stringOf(args.user))
    if (user === undefined || !channel.members.has(user.id)) return fail('user_not_in_channel')
    const wrong = refuseContent(args, POST_TEXT_MAX)
    if (wrong !== null) return wrong
    const ts = workspace.nextTs()
    workspace.putEphemeral({
      channel: channel.id,
      ts,
      threadTs: args.thread_ts === undefined ? null : stringOf(args.thread_ts),
      user: user.id,
      text: stringOf(args.text),
      blocks: workspace.named(listOf(args.blocks).filter(isFields)),
      via: 'chat.postEphemeral',
    })
    return ok({ message_ts: ts })
  }

  function permalink({ channel, message_ts }: Fields): Fields {
    const message = workspace.message(stringOf(channel), stringOf(message_ts))
    if (message === undefined) return fail('message_not_found')
    const path = `${message.channel}/p${message.ts.replace('.', '')}`
    return ok({ channel, permalink: `https://${TEAM_DOMAIN}.slack.com/archives/${path}` })
  }

  function openConversation({ users, channel }: Fields): Fields {
    if (channel !== undefined) {
      const known = workspace.channels.get(stringOf(channel))
      return known === undefined ? fail('channel_not_found') : ok({ channel: { id: known.id } })
    }
    const user = workspace.users.get(stringOf(users))
    if (user === undefined) return fail('user_not_found')
    if (user.isDeleted) return fail('user_disabled')
    const isOpen = workspace.channels.has(`D${user.id.slice(1)}`)
    const { id } = workspace.imOf(user.id)
    return ok({ ...(isOpen ? { no_op: true, already_open: true } : {}), channel: { id } })
  }

  function conversationInfo({ channel }: Fields): Fields {
    const found = workspace.channels.get(stringOf(channel))
    const isMember = found?.members.has(BOT_USER_ID) === true
    if (found === undefined || (found.kind === 'private' && !isMember)) return fail('channel_not_found')
    return ok({
      channel: {
        id: found.id,
        name: found.name,
        is_channel: found.kind === 'public',
        is_im: found.kind === 'im',
        is_private: found.kind !== 'public',
        is_archived: found.isArchived,
        is_member: isMember,
        num_members: found.members.size,
      },
    })
  }

  function addReaction({ channel, timestamp }: Fields): Fields {
    const message = workspace.message(stringOf(channel), stringOf(timestamp))
    return message === undefined ? fail('message_not_found') : ok({})
  }

  function listUsergroups(): Fields {
    const usergroups = [...workspace.usergroups.values()].map(({ id, handle, users }) => ({
      id,
      handle,
      name: handle,
      team_id: TEAM_ID,
      is_usergroup: true,
      date_delete: 0,
      user_count: users.length,
    }))
    return ok({ usergroups })
  }

  function listUsergroupUsers({ usergroup }: Fields): Fields {
    const found = workspace.usergroups.get(stringOf(usergroup))
    return found === undefined ? fail('no_such_subteam') : ok({ users: found.users })
  }

  function userInfo({ user }: Fields): Fields {
    const found = workspace.users.get(stringOf(user))
    return found === undefined ? fail('user_not_found') : ok({ user: wireUser(found) })
  }

  function listUsers({ limit, cursor }: Fields): Fields {
    const members = [...workspace.users.values()]
    const start = stringOf(cursor) === '' ? 0 : Number(Buffer.from(stringOf(cursor), 'base64').toString())
    if (!Number.isInteger(start)) return fail('invalid_cursor')
    const end = start + (Number(limit ?? 0) || members.length)
    const next_cursor = end < members.length ? Buffer.from(String(end)).toString('base64') : ''
    return ok({ members: members.slice(start, end).map(wireUser), response_metadata: { next_cursor } })
  }

  function userByEmail({ email }: Fields): Fields {
    const found = [...workspace.users.values()].find((user) => user.email === email && !user.isDeleted)
    return found === undefined ? fail('users_not_found') : ok({ user: wireUser(found) })
  }

  function wireUser(user: SlackUser): Fields {
    const profile = { real_name: user.realName, display_name: user.name }
    return {
      id: user.id,
      team_id: user.teamId,
      name: user.name,
      real_name: user.realName,
      deleted: user.isDeleted,
      tz: user.tz,
      is_bot: user.isBot,
      is_app_user: false,
      profile: access.scopes.has('users:read.email') ? { ...profile, email: user.email } : profile,
      // Slack says these only of people who are still there.
      ...(user.isDeleted
        ? {}
        : {
            is_restricted: user.isRestricted,
            is_ultra_restricted: user.isUltraRestricted,
            ...(user.isStranger ? { is_stranger: true } : {}),
          }),
    }
  }

  function openView(args: Fields): Fields {
    const refusal = refuseView(args.view)
    if (refusal !== null) return refused(refusal)
    const used = workspace.useTrigger(stringOf(args.trigger_id))
    if ('error' in used) return fail(used.error)
    return shown(fieldsOf(args.view), { user: used.trigger.user, previous: null })
  }

  function pushView(args: Fields): Fields {
    const refusal = refuseView(args.view)
    if (refusal !== null) return refused(refusal)
    const used = workspace.useTrigger(stringOf(args.trigger_id))
    if ('error' in used) return fail(used.error)
    const previous = workspace.views.get(used.trigger.viewId ?? '')
    if (previous === undefined || !previous.isOpen) return fail('not_found')
    return shown(fieldsOf(args.view), { user: used.trigger.user, previous })
  }

  /** Opens a modal on its own or on top of another one, and answers with it. */
  function shown(
    sent: Fields,
    { user, previous }: { readonly user: string; readonly previous: SlackView | null },
  ): Fields {
    if (sent.type !== 'modal') return refused({ error: 'invalid_arguments', messages: [] })
    if (previous !== null && depthOf(previous) >= VIEW_DEPTH_MAX) return fail('push_limit_reached')
    const id = workspace.nextId('V')
    const view = workspace.putView({
      ...viewContent(sent),
      id,
      user,
      type: 'modal',
      rootId: previous?.rootId ?? id,
      previousId: previous?.id ?? null,
      isOpen: true,
      errors: {},
    })
    return ok({ view: wireView(view) })
  }

  function depthOf(view: SlackView): number {
    const below = workspace.views.get(view.previousId ?? '')
    return below === undefined ? 1 : depthOf(below) + 1
  }

  function updateView(args: Fields): Fields {
    const refusal = refuseView(args.view)
    if (refusal !== null) return refused(refusal)
    const byExternal = [...workspace.views.values()].find(
      ({ externalId }) => externalId !== '' && externalId === args.external_id,
    )
    const view = workspace.views.get(stringOf(args.view_id)) ?? byExternal
    if (view === undefined || !view.isOpen) return fail('not_found')
    if (args.hash !== undefined && args.hash !== view.hash) return fail('hash_conflict')
    return ok({ view: wireView(replaceView(view, fieldsOf(args.view))) })
  }

  function replaceView(view: SlackView, sent: Fields): SlackView {
    return workspace.putView({ ...view, ...viewContent(sent), errors: {} })
  }

  function publishView(args: Fields): Fields {
    const user = workspace.users.get(stringOf(args.user_id))
    if (user === undefined) return fail('user_not_found')
    const refusal = refuseView(args.view)
    if (refusal !== null) return refused(refusal)
    const sent = fieldsOf(args.view)
    if (sent.type !== 'home') return refused({ error: 'invalid_arguments', messages: [] })
    const id = `V0HOME${user.id}`
    const before = workspace.views.get(id)
    if (args.hash !== undefined && args.hash !== before?.hash) return fail('hash_conflict')
    const view = workspace.putView({
      ...viewContent(sent),
      id,
      user: user.id,
      type: 'home',
      rootId: id,
      previousId: null,
      isOpen: true,
      errors: {},
    })
    return ok({ view: wireView(view) })
  }

  function viewContent(sent: Fields) {
    return {
      sent,
      title: stringOf(fieldsOf(sent.title).text),
      blocks: workspace.named(listOf(sent.blocks).filter(isFields)),
      callbackId: stringOf(sent.callback_id),
      privateMetadata: stringOf(sent.private_metadata),
      externalId: stringOf(sent.external_id),
    }
  }

  return { call, shown, replaceView, refuseContent }
}

export const POST_TEXT_MAX = 40_000
const UPDATE_TEXT_MAX = 4000
const VIEW_DEPTH_MAX = 3

const ok = (fields: Fields): Fields => ({ ok: true, ...fields })
const fail = (error: string, fields: Fields = {}): Fields => ({ ok: false, error, ...fields })

function refused({ error, messages }: Refusal): Fields {
  if (messages.length === 0) return fail(error)
  const errors = messages.map((message) => message.replace('[ERROR] ', ''))
  return fail(error, { errors, response_metadata: { messages } })
}

export function rateLimited(retryAfterS: number): Answer {
  return { status: 429, headers: { 'retry-after': String(retryAfterS) }, body: fail('ratelimited') }
}

/** The message as it is on the wire, in answers and in payloads. */
export function wireMessage(message: SlackMessage): Fields {
  return {
    type: 'message',
    user: message.user,
    ts: message.ts,
    ...(message.user === BOT_USER_ID ? { bot_id: BOT_ID, app_id: APP_ID } : {}),
    text: message.text,
    team: TEAM_ID,
    ...(message.blocks.length > 0 ? { blocks: message.blocks } : {}),
    ...(message.threadTs === null ? {} : { thread_ts: message.threadTs }),
    ...(message.versions.length > 1 ? { edited: { user: BOT_USER_ID, ts: message.ts } } : {}),
  }
}

export function wireView(view: SlackView, state: Fields = {}): Fields {
  const { sent } = view
  return {
    id: view.id,
    team_id: TEAM_ID,
    type: view.type,
    blocks: view.blocks,
    private_metadata: view.privateMetadata,
    callback_id: view.callbackId,
    external_id: view.externalId,
    state: { values: state },
    hash: view.hash,
    title: sent.title ?? { type: 'plain_text', text: 'View Title' },
    close: sent.close ?? null,
    submit: sent.submit ?? null,
    clear_on_close: isTrue(sent.clear_on_close),
    notify_on_close: isTrue(sent.notify_on_close),
    previous_view_id: view.previousId,
    root_view_id: view.rootId,
    app_id: APP_ID,
    app_installed_team_id: TEAM_ID,
    bot_id: BOT_ID,
  }
}

/** The arguments of a call. In a form, structures come as JSON text. */
export function parseArguments(contentType: string, body: string): Fields {
  if (contentType.startsWith('application/json')) return fieldsOf(parseJson(body))
  const args: Record<string, unknown> = {}
  for (const [name, text] of new URLSearchParams(body))
    args[name] = STRUCTURES.includes(name) ? (parseJson(text) ?? text) : text
  return args
}

const STRUCTURES = ['blocks', 'view', 'attachments', 'metadata']
