/**
 * What people do in Slack: click, submit, command, open the Home tab. Each builds the payload that Slack builds from
 * what is really on the screen, delivers it, and then does what Slack does with the answer.
 */
import assert from 'node:assert/strict'
import type { createDelivery, Delivery, Tampering } from './delivery.ts'
import { type Fields, fieldsOf, isFields, isTrue, listOf, parseJson, stringOf } from './json.ts'
import { refuseView } from './limits.ts'
import { buttonsOf, elementsOf } from './reader.ts'
import { type createWebApi, POST_TEXT_MAX, wireMessage, wireView } from './web-api.ts'
import {
  APP_ID,
  BOT_USER_ID,
  type SlackEphemeral,
  type SlackMessage,
  type SlackUser,
  type SlackView,
  TEAM_DOMAIN,
  TEAM_ID,
  type Workspace,
} from './workspace.ts'

export interface Click {
  readonly channel: string
  /** Of a message or of an ephemeral one. */
  readonly ts: string
  readonly actionId: string
  readonly user: string
  /** Needed when two blocks use the same `action_id`. */
  readonly blockId?: string
  /** The value of the option, for what is chosen rather than pressed. */
  readonly choose?: string
  /** Clicks on what the message showed before: 0 is the first version. The person's screen was not up to date. */
  readonly version?: number
  readonly tampering?: Tampering
}

export interface Acted extends Delivery {
  /** What Slack tells the person, empty when all is well. */
  readonly shownToUser: string
  /** The words of the dialog the person agreed to first, empty without one. */
  readonly confirmed: string
  /** The second delivery of the same payload, after `duplicateNextClick`. */
  readonly duplicate: Delivery | null
}

export interface Submitted extends Delivery {
  /** `trouble`: "We had some trouble connecting. Try again?", and the view stays open. */
  readonly result: 'closed' | 'cleared' | 'errors' | 'updated' | 'pushed' | 'trouble'
  readonly errors: Readonly<Record<string, string>>
}

/** By `action_id`: the text, the chosen value, or the chosen values. */
export type Values = Readonly<Record<string, string | readonly string[]>>

/** Slack tries an event again at once, after a minute, and after five. The double does not wait in between. */
const EVENT_RETRIES = 3

export function createInteractivity(dependencies: {
  readonly workspace: Workspace
  readonly delivery: ReturnType<typeof createDelivery>
  readonly webApi: ReturnType<typeof createWebApi>
  readonly nowMs: () => number
  readonly baseUrl: () => string
}) {
  const { workspace, delivery, webApi, nowMs, baseUrl } = dependencies
  let isNextDuplicate = false
  let gate: Promise<void> | null = null

  async function act(payload: Fields, confirmed: string, tampering: Tampering | undefined): Promise<Acted> {
    const outgoing = { type: 'interactive', payload, acceptsResponse: false } as const
    const isDuplicate = isNextDuplicate
    const delayed = gate
    isNextDuplicate = false
    gate = null
    if (delayed !== null) await delayed
    const [first, duplicate] = await Promise.all([
      delivery.deliver(outgoing, tampering),
      isDuplicate ? delivery.deliver(outgoing, tampering) : null,
    ])
    return { ...first, shownToUser: complaint(first), confirmed, duplicate }
  }

  async function click(clicked: Click): Promise<Acted> {
    const { channel, ts, tampering } = clicked
    const user = person(clicked.user)
    const message = workspace.message(channel, ts)
    const ephemeral = workspace.ephemerals.find((one) => one.channel === channel && one.ts === ts)
    const target = message ?? ephemeral
    assert(target !== undefined, `there is no message ${ts} in ${channel}`)
    const isForOthers = message === undefined && target.user !== user.id
    assert(!isForOthers, `${user.id} does not see this ephemeral message`)
    const blocks = shownBlocks(target, clicked.version)
    const { element, blockId } = find(blocks, clicked)
    const isEphemeral = message === undefined
    const payload = {
      type: 'block_actions',
      ...common(user),
      container: {
        type: 'message',
        message_ts: ts,
        channel_id: channel,
        is_ephemeral: isEphemeral,
        ...(target.threadTs === null ? {} : { thread_ts: target.threadTs }),
      },
      trigger_id: workspace.openTrigger(user.id, null).id,
      channel: { id: channel, name: channelName(channel) },
      ...(message === undefined ? {} : { message: { ...wireMessage(message), blocks } }),
      state: { values: stateOf(blocks, {}) },
      response_url: `${baseUrl()}${workspace.openResponseUrl({ channel, user: user.id, ts }).path}`,
      actions: [action(element, blockId, clicked.choose)],
    }
    return act(payload, dialogOf(blocks, element), tampering)
  }

  /** A button in an open modal or in the Home tab. */
  async function viewAction(acted: {
    readonly viewId: string
    readonly actionId: string
    readonly blockId?: string
    readonly user: string
    readonly choose?: string
    readonly values?: Values
    readonly tampering?: Tampering
  }): Promise<Acted> {
    const user = person(acted.user)
    const view = openView(acted.viewId, user)
    const { element, blockId } = find(view.blocks, acted)
    const payload = {
      type: 'block_actions',
      ...common(user),
      container: { type: 'view', view_id: view.id },
      trigger_id: workspace.openTrigger(user.id, view.type === 'modal' ? view.id : null).id,
      view: wireView(view, stateOf(view.blocks, acted.values ?? {})),
      actions: [action(element, blockId, acted.choose)],
    }
    return act(payload, dialogOf(view.blocks, element), acted.tampering)
  }

  async function submitView(submitted: {
    readonly viewId: string
    readonly user: string
    readonly values?: Values
    readonly tampering?: Tampering
  }): Promise<Submitted> {
    const user = person(submitted.user)
    const view = openView(submitted.viewId, user)
    assert(view.type === 'modal' && view.sent.submit !== undefined, 'this view has no button to submit it')
    const values = submitted.values ?? {}
    assertFillable(view.blocks, values)
    const payload = {
      type: 'view_submission',
      ...common(user),
      trigger_id: workspace.openTrigger(user.id, view.id).id,
      view: wireView(view, stateOf(view.blocks, values)),
      response_urls: [],
    }
    const delivered = await delivery.deliver(
      { type: 'interactive', payload, acceptsResponse: true },
      submitted.tampering,
    )
    return { ...delivered, ...react(view, delivered) }
  }

  function react(view: SlackView, delivered: Delivery): Pick<Submitted, 'result' | 'errors'> {
    if (delivered.outcome !== 'acknowledged') return { result: 'trouble', errors: {} }
    const answer = fieldsOf(delivered.body)
    switch (answer.response_action) {
      case undefined:
        close([view])
        return { result: 'closed', errors: {} }
      case 'clear':
        close(stackOf(view))
        return { result: 'cleared', errors: {} }
      case 'errors':
        return reactToErrors(view, fieldsOf(answer.errors))
      case 'update':
        if (refuseView(answer.view) !== null) return { result: 'trouble', errors: {} }
        webApi.replaceView(view, fieldsOf(answer.view))
        return { result: 'updated', errors: {} }
      case 'push': {
        if (refuseView(answer.view) !== null) return { result: 'trouble', errors: {} }
        const pushed = webApi.shown(fieldsOf(answer.view), { user: view.user, previous: view })
        return { result: pushed.ok === true ? 'pushed' : 'trouble', errors: {} }
      }
      default:
        return { result: 'trouble', errors: {} }
    }
  }

  /** Only an input block can show an error; for any other the whole answer is of no use to Slack. */
  function reactToErrors(view: SlackView, errors: Fields): Pick<Submitted, 'result' | 'errors'> {
    const inputs = view.blocks
      .filter(({ type }) => type === 'input')
      .map(({ block_id }) => stringOf(block_id))
    const texts = Object.fromEntries(Object.entries(errors).map(([blockId, text]) => [blockId, String(text)]))
    const isUsable = Object.keys(texts).length > 0 && Object.keys(texts).every((id) => inputs.includes(id))
    if (!isUsable) return { result: 'trouble', errors: {} }
    workspace.putView({ ...view, errors: texts })
    return { result: 'errors', errors: texts }
  }

  /** The person closes the modal. `null`: the app did not ask to be told. */
  async function closeView(closed: {
    readonly viewId: string
    readonly user: string
  }): Promise<Delivery | null> {
    const user = person(closed.user)
    const view = openView(closed.viewId, user)
    const isCleared = isTrue(view.sent.clear_on_close)
    close(isCleared ? stackOf(view) : [view])
    if (!isTrue(view.sent.notify_on_close)) return null
    const payload = {
      type: 'view_closed',
      ...common(user),
      view: wireView(view),
      is_cleared: isCleared,
    }
    return delivery.deliver({ type: 'interactive', payload, acceptsResponse: false })
  }

  function close(views: readonly SlackView[]): void {
    for (const view of views) workspace.putView({ ...view, isOpen: false })
  }

  const stackOf = ({ rootId }: SlackView) =>
    [...workspace.views.values()].filter((other) => other.rootId === rootId && other.isOpen)

  /** A slash command. A body in the acknowledgement is shown to the person, or to all with `in_channel`. */
  async function command(typed: {
    readonly command: string
    readonly text: string
    readonly user: string
    readonly channel: string
    readonly tampering?: Tampering
  }): Promise<Acted> {
    const user = person(typed.user)
    const place = { channel: typed.channel, user: user.id, ts: null }
    const payload = {
      token: LEGACY_TOKEN,
      team_id: TEAM_ID,
      team_domain: TEAM_DOMAIN,
      channel_id: typed.channel,
      channel_name: channelName(typed.channel),
      user_id: user.id,
      user_name: user.name,
      command: typed.command,
      text: typed.text,
      api_app_id: APP_ID,
      is_enterprise_install: 'false',
      response_url: `${baseUrl()}${workspace.openResponseUrl(place).path}`,
      trigger_id: workspace.openTrigger(user.id, null).id,
    }
    const outgoing = { type: 'slash_commands', payload, acceptsResponse: true } as const
    const delivered = await delivery.deliver(outgoing, typed.tampering)
    const answer = typeof delivered.body === 'string' ? { text: delivered.body } : fieldsOf(delivered.body)
    const isSaid = delivered.outcome === 'acknowledged' && hasContent(answer)
    const refusal = isSaid ? webApi.refuseContent(answer, POST_TEXT_MAX) : null
    if (isSaid && refusal === null) say(answer, place, 'command')
    const refused = refusal === null ? '' : 'invalid_command_response'
    const shownToUser = complaint(delivered) === '' ? refused : complaint(delivered)
    return {
      ...delivered,
      shownToUser: shownToUser === '' ? '' : `${typed.command} failed with the error "${shownToUser}"`,
      confirmed: '',
      duplicate: null,
    }
  }

  /** Answers the app's use of a `response_url`: an error word, or `null` when it was taken. */
  function respond(path: string, answer: Fields): { readonly status: number; readonly error: string } | null {
    const used = workspace.useResponseUrl(path)
    if ('error' in used) return { status: 404, error: used.error }
    const { channel, ts, user } = used.responseUrl
    const message = ts === null ? undefined : workspace.message(channel, ts)
    if (isTrue(answer.delete_original)) {
      if (message !== undefined) workspace.deleteMessage(message.channel, message.ts)
      return null
    }
    const refusal = webApi.refuseContent(answer, POST_TEXT_MAX)
    if (refusal !== null) return { status: 400, error: stringOf(refusal.error) }
    if (!isTrue(answer.replace_original) || message === undefined) {
      say(answer, { channel, user }, 'response_url')
      return null
    }
    const { versions: _versions, ...before } = message
    workspace.putMessage({ ...before, ...contentOf(answer) })
    return null
  }

  function say(
    answer: Fields,
    { channel, user }: { readonly channel: string; readonly user: string },
    via: string,
  ): void {
    const placed = { channel, ts: workspace.nextTs(), threadTs: null, ...contentOf(answer) }
    if (answer.response_type === 'in_channel')
      workspace.putMessage({ ...placed, user: BOT_USER_ID, postedWith: answer })
    else workspace.putEphemeral({ ...placed, user, via })
  }

  const contentOf = (answer: Fields) => ({
    text: stringOf(answer.text),
    blocks: workspace.named(listOf(answer.blocks).filter(isFields)),
  })

  /** An event, tried again until it is acknowledged, or until the app says that it should not be. */
  async function sendEvent(event: Fields, tampering?: Tampering): Promise<Delivery[]> {
    const payload = {
      token: LEGACY_TOKEN,
      team_id: TEAM_ID,
      api_app_id: APP_ID,
      event: { event_ts: workspace.nextTs(), ...event },
      type: 'event_callback',
      event_id: workspace.nextId('Ev'),
      event_time: Math.floor(nowMs() / 1000),
      authorizations: [{ team_id: TEAM_ID, user_id: BOT_USER_ID, is_bot: true }],
    }
    const attempts: Delivery[] = []
    for (let attempt = 0; attempt <= EVENT_RETRIES; attempt++) {
      const before = attempts.at(-1)
      const retry = before === undefined ? {} : { retry: { attempt, reason: reasonOf(before) } }
      const outgoing = { type: 'events_api', payload, acceptsResponse: false, ...retry } as const
      const delivered = await delivery.deliver(outgoing, tampering)
      attempts.push(delivered)
      if (delivered.outcome === 'acknowledged') break
    }
    return attempts
  }

  function openHome({ user }: { readonly user: string }): Promise<Delivery[]> {
    const { id } = person(user)
    const view = workspace.views.get(`V0HOME${id}`)
    return sendEvent({
      type: 'app_home_opened',
      user: id,
      channel: workspace.imOf(id).id,
      tab: 'home',
      ...(view === undefined ? {} : { view: wireView(view) }),
    })
  }

  function person(id: string): SlackUser {
    const user = workspace.users.get(id)
    assert(user !== undefined, `nobody here is called ${id}`)
    return user
  }

  function openView(viewId: string, user: SlackUser): SlackView {
    const view = workspace.views.get(viewId)
    assert(view?.isOpen === true && view.user === user.id, `${user.id} has no open view ${viewId}`)
    return view
  }

  function channelName(channel: string): string {
    const known = workspace.channels.get(channel)
    if (known === undefined) return 'unknown'
    return known.kind === 'im' ? 'directmessage' : known.kind === 'private' ? 'privategroup' : known.name
  }

  function common(user: SlackUser): Fields {
    return {
      user: { id: user.id, username: user.name, name: user.name, team_id: user.teamId },
      api_app_id: APP_ID,
      token: LEGACY_TOKEN,
      team: { id: TEAM_ID, domain: TEAM_DOMAIN },
      enterprise: null,
      is_enterprise_install: false,
    }
  }

  function action(element: Fields, blockId: string, choose: string | undefined): Fields {
    const { action_id, type, text, value, style, confirm } = element
    const own = type === 'button' ? { text, value, style, confirm } : stateValue(element, choose ?? '')
    const action_ts = workspace.nextTs()
    // What is `undefined` is not sent.
    return fieldsOf(parseJson(JSON.stringify({ action_id, block_id: blockId, type, ...own, action_ts })))
  }

  return {
    click,
    viewAction,
    submitView,
    closeView,
    command,
    respond,
    sendEvent,
    openHome,
    duplicateNextClick(): void {
      isNextDuplicate = true
    },
    /** The next click happens now, and arrives when it is released. */
    delayNextClick(): { release(): void } {
      const { promise, resolve } = withResolvers()
      gate = promise
      return { release: resolve }
    },
  }
}

/** Slack still sends it; whoever trusts it is found out. */
const LEGACY_TOKEN = 'legacy-verification-token'

function complaint({ outcome, status }: Delivery): string {
  switch (outcome) {
    case 'acknowledged':
      return ''
    case 'http_error':
      return `This app responded with Status Code ${status}`
    case 'operation_timeout':
    case 'dispatch_failed':
      return outcome
  }
}

function reasonOf({ outcome }: Delivery): string {
  switch (outcome) {
    case 'operation_timeout':
      return 'http_timeout'
    case 'dispatch_failed':
      return 'connection_failed'
    case 'http_error':
    case 'acknowledged':
      return 'http_error'
  }
}

function shownBlocks(target: SlackMessage | SlackEphemeral, version: number | undefined): readonly Fields[] {
  if (version === undefined) return target.blocks
  const shown = 'versions' in target ? target.versions[version] : undefined
  assert(shown !== undefined, `the message had no version ${version}`)
  return shown.blocks
}

function find(
  blocks: readonly Fields[],
  wanted: { readonly actionId: string; readonly blockId?: string },
): { readonly element: Fields; readonly blockId: string } {
  const there = elementsOf(blocks)
  const found = there.filter(
    ({ element, blockId }) =>
      element.action_id === wanted.actionId && (wanted.blockId === undefined || wanted.blockId === blockId),
  )
  const ids = there.map(({ element }) => String(element.action_id)).join(', ')
  const [first] = found
  assert(first !== undefined, `nothing here has the action_id ${wanted.actionId}, only: ${ids}`)
  assert(found.length === 1, `${wanted.actionId} is there ${found.length} times: say which block`)
  return first
}

function dialogOf(blocks: readonly Fields[], element: Fields): string {
  return buttonsOf({ blocks }).find(({ actionId }) => actionId === element.action_id)?.confirm ?? ''
}

/** As Slack's own client refuses: what is required must be there, and nothing may be too long. */
function assertFillable(blocks: readonly Fields[], values: Values): void {
  const known = elementsOf(blocks).map(({ element }) => String(element.action_id))
  for (const actionId of Object.keys(values))
    assert(known.includes(actionId), `this view has no input ${actionId}`)
  for (const { element, block } of elementsOf(blocks)) {
    if (block.type !== 'input') continue
    const value = values[String(element.action_id)] ?? stringOf(element.initial_value)
    const isInitial = element.initial_option !== undefined || element.initial_options !== undefined
    assert(
      isTrue(block.optional) || value.length > 0 || isInitial,
      `${String(element.action_id)} is required: Slack would not submit this`,
    )
    const max = Number(element.max_length ?? TYPED_MAX)
    assert(typeof value !== 'string' || value.length <= max, `Slack does not let anybody type over ${max}`)
  }
}

const TYPED_MAX = 3000

/** `state.values`: every input, also the empty ones. */
function stateOf(blocks: readonly Fields[], values: Values): Fields {
  const state: Record<string, Record<string, Fields>> = {}
  for (const { element, blockId } of elementsOf(blocks)) {
    if (element.type === 'button' || element.type === 'overflow') continue
    const actionId = String(element.action_id)
    state[blockId] = { ...state[blockId], [actionId]: stateValue(element, values[actionId]) }
  }
  return state
}

function stateValue(element: Fields, chosen: string | readonly string[] | undefined): Fields {
  const type = stringOf(element.type)
  const one = typeof chosen === 'string' && chosen !== '' ? chosen : null
  const many = typeof chosen === 'string' ? [chosen] : (chosen ?? [])
  const options = [
    ...listOf(element.options),
    ...listOf(element.option_groups).flatMap((group) => listOf(fieldsOf(group).options)),
  ].map(fieldsOf)
  const option = (value: string) => {
    const found = options.find((each) => each.value === value)
    assert(found !== undefined, `there is no option ${value}`)
    return found
  }
  if (type === 'checkboxes' || type === 'multi_static_select')
    return {
      type,
      selected_options: chosen === undefined ? listOf(element.initial_options) : many.map(option),
    }
  if (type === 'static_select' || type === 'radio_buttons' || type === 'overflow')
    return { type, selected_option: one === null ? (element.initial_option ?? null) : option(one) }
  if (type.startsWith('multi_')) return { type, [`selected_${type.slice(6, -7)}`]: many }
  if (type.endsWith('s_select')) return { type, [`selected_${type.slice(0, -8)}`]: one }
  if (type === 'datepicker') return { type, selected_date: one ?? element.initial_date ?? null }
  if (type === 'timepicker') return { type, selected_time: one ?? element.initial_time ?? null }
  return { type, value: one ?? element.initial_value ?? null }
}

const hasContent = (answer: Fields) => stringOf(answer.text) !== '' || listOf(answer.blocks).length > 0

function withResolvers(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = () => {}
  const promise = new Promise<void>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}
