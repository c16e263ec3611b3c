/** The Slack double against the real Bolt: what it lets pass, what it refuses, and how it fails when told to. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { text as readText } from 'node:stream/consumers'
import { App, LogLevel, type Receiver, SocketModeReceiver, type types, verifySlackRequest } from '@slack/bolt'
import { afterEach, describe, expect, test } from 'vitest'
import { type SlackDouble, startSlackDouble } from '../support/slack/double.ts'
import type { Values } from '../support/slack/interactivity.ts'
import { type Fields, fieldsOf, parseJson, stringOf } from '../support/slack/json.ts'
import { MESSAGE_TEXT_MAX, RICH_MESSAGE_TEXT_MAX } from '../support/slack/limits.ts'

const closing: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

describe.each(['http', 'socket'] as const)('an app made with Bolt, over %s', (mode) => {
  test('posts a card; a click runs its handler, updates the card and is answered to one person', async () => {
    const { slack, app, channel, minsu } = await start(mode)
    app.action('approve', async ({ ack, body, client, respond }) => {
      await ack()
      const click = fieldsOf(JSON.parse(JSON.stringify(body)))
      const { channel_id, message_ts } = fieldsOf(click.container)
      const where = { channel: stringOf(channel_id), ts: stringOf(message_ts) }
      await client.chat.update({
        ...where,
        text: 'Approved',
        blocks: [section(`Approved by <@${minsu.id}>`)],
      })
      await client.chat.postEphemeral({ channel: where.channel, user: minsu.id, text: 'Thank you' })
      await respond({ text: 'Also by response_url', replace_original: false })
    })

    const { ts } = await post(slack, app, channel.id, [section('Refund?'), buttons()])
    const card = slack.message(channel.id, ts)
    expect(slack.textOf(card)).toBe('Refund?\nApprove\nDeny')
    expect(slack.buttons(card).map(({ text, value }) => [text, value])).toEqual([
      ['Approve', 'a1.3'],
      ['Deny', 'a1.3'],
    ])
    expect(slack.buttons(card)[0]?.confirm).toContain('Really?')

    const clicked = await slack.click({ channel: channel.id, ts, actionId: 'approve', user: minsu.id })
    expect(clicked).toMatchObject({ outcome: 'acknowledged', shownToUser: '', duplicate: null })
    expect(clicked.connection).toBe(mode === 'http' ? null : 1)
    expect(clicked.confirmed).toContain('Really?')

    const updated = await slack.waitForMessage((message) => slack.textOf(message).startsWith('Approved by'))
    expect(updated.ts).toBe(ts)
    expect(updated.versions).toHaveLength(2)
    expect(slack.buttons(updated)).toEqual([])
    await slack.waitForEphemeral(({ user, text }) => user === minsu.id && text === 'Thank you')
    await slack.waitForEphemeral(({ via }) => via === 'response_url')
  })

  test('opens a modal whose submission is first refused, then taken', async () => {
    const { slack, app, channel, minsu } = await start(mode)
    const reasons: string[] = []
    app.action('approve', async ({ ack, body, client }) => {
      await ack()
      const { trigger_id } = fieldsOf(JSON.parse(JSON.stringify(body)))
      await client.views.open({ trigger_id: stringOf(trigger_id), view: modal() })
    })
    app.view('reason', async ({ ack, view }) => {
      const reason = view.state.values.reason?.text?.value ?? ''
      if (reason.length < 5) {
        await ack({ response_action: 'errors', errors: { reason: 'Please say more' } })
        return
      }
      await ack()
      reasons.push(reason)
    })
    const { ts } = await post(slack, app, channel.id, [buttons()])
    await slack.click({ channel: channel.id, ts, actionId: 'approve', user: minsu.id })
    const view = await slack.waitForView(({ title }) => title === 'Why?')
    const submit = (values: Values) => slack.submitView({ viewId: view.id, user: minsu.id, values })

    await expect(submit({})).rejects.toThrow('required')
    expect(await submit({ text: 'ok' })).toMatchObject({
      result: 'errors',
      errors: { reason: 'Please say more' },
    })
    expect(slack.views(minsu.id)).toHaveLength(1)
    expect(await submit({ text: 'agreed by phone' })).toMatchObject({ result: 'closed' })
    expect(slack.views(minsu.id)).toEqual([])
    expect(reasons).toEqual(['agreed by phone'])
  })

  test('answers commands, and publishes a Home tab when it is opened', async () => {
    const { slack, app, channel, minsu } = await start(mode)
    app.command('/holdpoint', async ({ ack, command }) => ack(`You said ${command.text}`))
    app.event('app_home_opened', async ({ event, client }) => {
      await client.views.publish({ user_id: event.user, view: { type: 'home', blocks: [section('Queue')] } })
    })

    await slack.command({ command: '/holdpoint', text: 'link 123', user: minsu.id, channel: channel.id })
    expect(slack.ephemerals(minsu.id).map(({ text }) => text)).toEqual(['You said link 123'])

    const attempts = await slack.openHome({ user: minsu.id })
    expect(attempts).toMatchObject([{ outcome: 'acknowledged' }])
    const home = await slack.waitForView(({ type }) => type === 'home')
    expect(slack.textOf({ blocks: home.blocks, text: '' })).toBe('Queue')
  })

  test('is blamed for an acknowledgement that comes too late or gets lost', async () => {
    const { slack, app, channel, minsu } = await start(mode, { ackTimeoutMs: 500 })
    const clicks: string[] = []
    app.action('approve', async () => void clicks.push('approve'))
    app.action('deny', async ({ ack }) => {
      clicks.push('deny')
      await ack()
    })
    const { ts } = await post(slack, app, channel.id, [buttons()])
    const click = (actionId: string) => slack.click({ channel: channel.id, ts, actionId, user: minsu.id })

    expect(await click('approve')).toMatchObject({
      outcome: 'operation_timeout',
      shownToUser: 'operation_timeout',
    })
    slack.loseNextAck()
    expect(await click('deny')).toMatchObject({ outcome: 'operation_timeout' })
    expect(await click('deny')).toMatchObject({ outcome: 'acknowledged' })
    expect(clicks).toEqual(['approve', 'deny', 'deny'])
  })

  test('gets clicks twice and out of order', async () => {
    const { slack, app, channel, minsu } = await start(mode)
    const clicks: string[] = []
    for (const id of ['approve', 'deny'])
      app.action(id, async ({ ack }) => {
        clicks.push(id)
        await ack()
      })
    const { ts } = await post(slack, app, channel.id, [buttons()])
    const click = (actionId: string) => slack.click({ channel: channel.id, ts, actionId, user: minsu.id })

    const late = slack.delayNextClick()
    const approving = click('approve')
    await click('deny')
    late.release()
    await approving
    slack.duplicateNextClick()
    const twice = await click('deny')
    expect(twice.duplicate).toMatchObject({ outcome: 'acknowledged' })
    expect(twice.duplicate?.payload).toEqual(twice.payload)
    expect(clicks).toEqual(['deny', 'approve', 'deny', 'deny'])
  })
})

describe('signed requests', () => {
  test('what is not signed by Slack, or too long ago, is refused and the person sees it', async () => {
    const { slack, app, channel, minsu } = await start('http')
    const { ts } = await post(slack, app, channel.id, [buttons()])
    const click = { channel: channel.id, ts, actionId: 'approve', user: minsu.id }
    const wrong = [
      { secret: 'another secret' },
      { timestampOffsetS: -301 },
      { headers: { 'x-slack-signature': null } },
      { headers: { 'x-slack-signature': 'v1=00' } },
    ]
    for (const tampering of wrong)
      expect(await slack.click({ ...click, tampering })).toMatchObject({
        outcome: 'http_error',
        status: 401,
        shownToUser: 'This app responded with Status Code 401',
      })
    const [{ outcome } = { outcome: '' }] = await slack.sendEvent({ type: 'x' }, { secret: 'wrong' })
    expect(outcome).toBe('http_error')
  })

  test('a payload can be forged behind a good signature', async () => {
    const { slack, app, channel, minsu } = await start('http')
    const seen: unknown[] = []
    app.action('approve', async ({ ack, body }) => {
      await ack()
      seen.push(body.user.id)
    })
    const { ts } = await post(slack, app, channel.id, [buttons()])
    const stranger = (payload: Fields) => ({ ...payload, user: { id: 'U0STRANGER', team_id: 'T0OTHER' } })
    await slack.click({
      channel: channel.id,
      ts,
      actionId: 'approve',
      user: minsu.id,
      tampering: { payload: stranger },
    })
    expect(seen).toEqual(['U0STRANGER'])
  })

  test('the address is verified', async () => {
    const { slack } = await start('http')
    expect(await slack.urlVerification()).toBe(true)
    expect(await slack.sslCheck()).toMatchObject({ outcome: 'acknowledged' })
    expect(await slack.post('payload=%7B')).toMatchObject({ status: 400 })
  })

  test('an event is tried again, with its number and the reason, until it is acknowledged', async () => {
    const { slack, minsu } = await startApart({ ackTimeoutMs: 300 })
    const tries: unknown[] = []
    const server = createServer((req, res) => {
      tries.push([req.headers['x-slack-retry-num'], req.headers['x-slack-retry-reason']])
      if (tries.length === 1) res.writeHead(500).end()
      if (tries.length === 3) res.writeHead(200).end()
    })
    const url = await listenAt(server)
    slack.useHttp(url)
    const attempts = await slack.openHome({ user: minsu.id })
    expect(attempts.map(({ outcome }) => outcome)).toEqual([
      'http_error',
      'operation_timeout',
      'acknowledged',
    ])
    expect(tries).toEqual([
      [undefined, undefined],
      ['1', 'http_error'],
      ['2', 'http_timeout'],
    ])
  })

  test('an app that is not there is a failed dispatch', async () => {
    const { slack, app, channel, minsu } = await start('http')
    const { ts } = await post(slack, app, channel.id, [buttons()])
    slack.useHttp(new URL('http://127.0.0.1:9/slack/events'))
    const clicked = await slack.click({ channel: channel.id, ts, actionId: 'approve', user: minsu.id })
    expect(clicked).toMatchObject({ outcome: 'dispatch_failed', shownToUser: 'dispatch_failed' })
  })
})

describe('the rules of the Web API', () => {
  test('tokens, scopes and methods', async () => {
    const { slack } = await startApart()
    expect(await call(slack, 'auth.test', {}, '')).toMatchObject({ error: 'not_authed' })
    expect(await call(slack, 'auth.test', {}, 'xoxb-other')).toMatchObject({ error: 'invalid_auth' })
    expect(await call(slack, 'auth.test')).toMatchObject({ ok: true, team_id: slack.teamId })
    expect(await call(slack, 'chat.shout')).toMatchObject({ error: 'unknown_method' })
    expect(await call(slack, 'apps.connections.open')).toMatchObject({ error: 'not_allowed_token_type' })
    slack.setScopes(['chat:write'])
    expect(await call(slack, 'users.info', { user: 'U1' })).toMatchObject({
      error: 'missing_scope',
      needed: 'users:read',
      provided: 'chat:write',
    })
    const connect = () => call(slack, 'apps.connections.open', {}, slack.tokens.app)
    expect(await connect()).toMatchObject({ ok: true })
    slack.setAppScopes([])
    expect(await connect()).toMatchObject({ error: 'missing_scope', needed: 'connections:write' })
    slack.setTokenError('token_revoked')
    expect(await call(slack, 'auth.test')).toMatchObject({ error: 'token_revoked' })
  })

  test('channels, messages, people', async () => {
    const { slack, channel, minsu } = await startApart()
    const outside = slack.addChannel({ name: 'outside', isWithoutBot: true })
    const secret = slack.addChannel({ name: 'secret', kind: 'private', isWithoutBot: true })
    const said = slack.say({ channel: channel.id, user: minsu.id, text: 'hello' })
    const text = 'hi'
    const errors = [
      ['chat.postMessage', { channel: 'C0NONE', text }, 'channel_not_found'],
      ['chat.postMessage', { channel: secret.id, text }, 'channel_not_found'],
      ['chat.postMessage', { channel: outside.id, text }, 'not_in_channel'],
      ['chat.postMessage', { channel: channel.id }, 'no_text'],
      ['chat.postMessage', { channel: channel.id, text, thread_ts: '1' }, 'invalid_thread_ts'],
      ['chat.postMessage', { channel: channel.id, blocks: 'nothing' }, 'invalid_blocks_format'],
      ['chat.update', { channel: channel.id, ts: '1.000001', text }, 'message_not_found'],
      ['chat.update', { channel: channel.id, ts: said.ts, text }, 'cant_update_message'],
      ['chat.delete', { channel: channel.id, ts: said.ts }, 'cant_delete_message'],
      ['chat.postEphemeral', { channel: channel.id, user: 'U0NONE', text }, 'user_not_in_channel'],
      ['conversations.open', { users: 'U0NONE' }, 'user_not_found'],
      ['users.info', { user: 'U0NONE' }, 'user_not_found'],
      ['views.open', { trigger_id: 'x', view: modal() }, 'invalid_trigger_id'],
      ['views.update', { view_id: 'x', view: modal() }, 'not_found'],
      ['usergroups.users.list', { usergroup: 'S0NONE' }, 'no_such_subteam'],
    ] as const
    for (const [method, args, error] of errors)
      expect(await call(slack, method, args), `${method} ${error}`).toMatchObject({ ok: false, error })

    const opened = await call(slack, 'conversations.open', { users: minsu.id })
    const { id } = fieldsOf(opened.channel)
    expect(await call(slack, 'chat.postMessage', { channel: id, text })).toMatchObject({ ok: true })
    slack.setUsergroup({ id: 'S1', handle: 'payments', users: [minsu.id] })
    expect(await call(slack, 'usergroups.users.list', { usergroup: 'S1' })).toMatchObject({
      users: [minsu.id],
    })
    slack.changeUser(minsu.id, { isDeleted: true })
    expect(await call(slack, 'users.info', { user: minsu.id })).toMatchObject({ user: { deleted: true } })
  })

  test('an update keeps the blocks it does not mention', async () => {
    const { slack, channel } = await startApart()
    const posted = await call(slack, 'chat.postMessage', { channel: channel.id, blocks: [section('One')] })
    const where = { channel: channel.id, ts: posted.ts }
    await call(slack, 'chat.update', { ...where, text: 'Two' })
    const kept = slack.message(channel.id, stringOf(posted.ts))
    expect([kept.text, slack.textOf(kept)]).toEqual(['Two', 'One'])
    await call(slack, 'chat.update', { ...where, text: 'Two', blocks: [] })
    expect(slack.textOf(slack.message(channel.id, stringOf(posted.ts)))).toBe('Two')
  })

  test('a trigger opens one view, within three seconds', async () => {
    const { slack, channel, minsu } = await startApart()
    const { ts } = await posted(slack, channel.id, [buttons()])
    const trigger = async () => {
      const clicked = await slack.click({ channel: channel.id, ts, actionId: 'deny', user: minsu.id })
      return clicked.payload.trigger_id
    }
    const first = await trigger()
    const opened = await call(slack, 'views.open', { trigger_id: first, view: modal() })
    expect(opened).toMatchObject({ ok: true, view: { type: 'modal', callback_id: 'reason' } })
    expect(await call(slack, 'views.open', { trigger_id: first, view: modal() })).toMatchObject({
      error: 'exchanged_trigger_id',
    })
    const second = await trigger()
    slack.advance(3001)
    expect(await call(slack, 'views.open', { trigger_id: second, view: modal() })).toMatchObject({
      error: 'expired_trigger_id',
    })
  })

  test('a view changes only for who knows its present hash, and three lie on each other', async () => {
    const { slack, channel, minsu } = await startApart()
    const { ts } = await posted(slack, channel.id, [buttons()])
    const clicked = await slack.click({ channel: channel.id, ts, actionId: 'deny', user: minsu.id })
    const view = { ...modal(), blocks: [buttons()] }
    await call(slack, 'views.open', { trigger_id: clicked.payload.trigger_id, view })
    const [opened] = slack.views(minsu.id)
    assert(opened !== undefined)
    const update = { view_id: opened.id, view, hash: opened.hash }
    expect(await call(slack, 'views.update', update)).toMatchObject({ ok: true })
    expect(await call(slack, 'views.update', update)).toMatchObject({ error: 'hash_conflict' })
    for (const expected of [{ ok: true }, { ok: true }, { error: 'push_limit_reached' }]) {
      const top = slack.views(minsu.id).at(-1)
      const pressed = await slack.viewAction({
        viewId: top?.id ?? '',
        actionId: 'approve',
        user: minsu.id,
      })
      const push = { trigger_id: pressed.payload.trigger_id, view }
      expect(await call(slack, 'views.push', push)).toMatchObject(expected)
    }
  })

  test('a response_url is good five times in half an hour', async () => {
    const { slack, channel, minsu } = await startApart()
    const { ts } = await posted(slack, channel.id, [buttons()])
    const click = { channel: channel.id, ts, actionId: 'deny', user: minsu.id }
    const first = stringOf((await slack.click(click)).payload.response_url)
    const respond = async (url: string, body: Fields) => {
      const response = await fetch(url, { method: 'POST', body: JSON.stringify(body) })
      return `${response.status} ${stringOf(fieldsOf(parseJson(await response.text())).error)}`.trim()
    }
    expect(await respond(first, { text: 'Gone', blocks: [], replace_original: true })).toBe('200')
    expect(slack.textOf(slack.message(channel.id, ts))).toBe('Gone')
    for (let use = 2; use <= 5; use++) expect(await respond(first, { text: `${use}` })).toBe('200')
    expect(await respond(first, { text: '6' })).toBe('404 used_url')

    const other = await posted(slack, channel.id, [buttons()])
    const second = stringOf((await slack.click({ ...click, ts: other.ts })).payload.response_url)
    slack.advance(30 * 60_000 + 1)
    expect(await respond(second, { text: 'late' })).toBe('404 expired_url')
  })

  test('a person fills in every kind of input', async () => {
    const { slack, channel, minsu } = await startApart()
    const { ts } = await posted(slack, channel.id, [buttons()])
    const clicked = await slack.click({ channel: channel.id, ts, actionId: 'deny', user: minsu.id })
    const option = (value: string) => ({ text: { type: 'plain_text', text: value }, value })
    const input = (element: Fields) => ({
      type: 'input',
      block_id: stringOf(element.action_id),
      label: { type: 'plain_text', text: 'Label' },
      element,
    })
    const blocks = [
      input({ type: 'static_select', action_id: 'why', options: [option('wrong'), option('late')] }),
      input({ type: 'checkboxes', action_id: 'what', options: [option('one'), option('two')] }),
      input({ type: 'users_select', action_id: 'who' }),
      input({ type: 'plain_text_input', action_id: 'note', initial_value: 'as it was' }),
    ]
    const view = { ...modal(), blocks }
    await call(slack, 'views.open', { trigger_id: clicked.payload.trigger_id, view })
    const [opened] = slack.views(minsu.id)
    const submitted = await slack.submitView({
      viewId: opened?.id ?? '',
      user: minsu.id,
      values: { why: 'late', what: ['one', 'two'], who: minsu.id },
    })
    expect(fieldsOf(fieldsOf(submitted.payload.view).state).values).toMatchObject({
      why: { why: { selected_option: { value: 'late' } } },
      what: { what: { selected_options: [{ value: 'one' }, { value: 'two' }] } },
      who: { who: { selected_user: minsu.id } },
      note: { note: { value: 'as it was' } },
    })
  })
})

describe('what is too much is refused, and what just fits is taken', () => {
  const x = (length: number) => 'x'.repeat(length)
  const many = <T>(count: number, make: (index: number) => T) =>
    Array.from({ length: count }, (_, i) => make(i))
  const plain = (length: number) => ({ type: 'plain_text', text: x(length) })
  const button = (more: Fields = {}) => ({ type: 'button', text: plain(1), action_id: 'a', ...more })
  const actions = (...elements: Fields[]) => ({ type: 'actions', elements })
  const dialog = (more: Fields) => actions(button({ confirm: { text: plain(1), ...more } }))
  const option = (more: Fields = {}) => ({ text: plain(1), value: 'v', ...more })
  const select = (type: string, count: number) => ({
    type,
    action_id: 's',
    options: many(count, () => option()),
  })
  const rich = (text: string) => ({
    type: 'rich_text',
    elements: [{ type: 'rich_text_preformatted', elements: [{ type: 'text', text }] }],
  })
  const sections = (total: number) => [
    ...many(Math.floor(total / 3000), () => section(x(3000))),
    ...(total % 3000 === 0 ? [] : [section(x(total % 3000))]),
  ]
  const card = (more: Fields) => ({ type: 'card', title: plain(1), ...more })
  const mrkdwn = (length: number) => ({ type: 'mrkdwn', text: x(length) })
  const container = (more: Fields) => ({
    type: 'container',
    title: plain(1),
    child_blocks: [divider],
    ...more,
  })
  const row = (cells: number) => many(cells, () => ({ type: 'raw_text', text: 'c' }))

  const inMessages: readonly (readonly [string, number, (size: number) => Fields[]])[] = [
    ['blocks', 50, (size) => many(size, () => divider)],
    ['header', 150, (size) => [{ type: 'header', text: plain(size) }]],
    ['section text', 3000, (size) => [section(x(size))]],
    ['section fields', 10, (size) => [{ type: 'section', fields: many(size, () => plain(1)) }]],
    ['section field text', 2000, (size) => [{ type: 'section', fields: [plain(size)] }]],
    ['actions', 25, (size) => [actions(...many(size, (index) => button({ action_id: `a${index}` })))]],
    ['context', 10, (size) => [{ type: 'context', elements: many(size, () => plain(1)) }]],
    ['button text', 75, (size) => [actions(button({ text: plain(size) }))]],
    ['button value', 2000, (size) => [actions(button({ value: x(size) }))]],
    ['button url', 3000, (size) => [actions(button({ url: x(size) }))]],
    ['accessibility label', 75, (size) => [actions(button({ accessibility_label: x(size) }))]],
    ['action_id', 255, (size) => [actions(button({ action_id: x(size) }))]],
    ['block_id', 255, (size) => [{ ...divider, block_id: x(size) }]],
    ['dialog title', 100, (size) => [dialog({ title: plain(size) })]],
    ['dialog text', 300, (size) => [dialog({ text: plain(size) })]],
    ['dialog confirm', 30, (size) => [dialog({ confirm: plain(size) })]],
    ['dialog deny', 30, (size) => [dialog({ deny: plain(size) })]],
    [
      'option text',
      75,
      (size) => [actions({ ...select('overflow', 2), options: [option({ text: plain(size) })] })],
    ],
    [
      'option value',
      75,
      (size) => [actions({ ...select('overflow', 2), options: [option({ value: x(size) })] })],
    ],
    ['overflow', 5, (size) => [actions(select('overflow', size))]],
    ['radio buttons', 10, (size) => [actions(select('radio_buttons', size))]],
    ['checkboxes', 10, (size) => [actions(select('checkboxes', size))]],
    ['select options', 100, (size) => [actions(select('static_select', size))]],
    ['placeholder', 150, (size) => [actions({ ...select('static_select', 1), placeholder: plain(size) })]],
    ['alt text', 2000, (size) => [{ type: 'image', image_url: 'https://x', alt_text: x(size) }]],
    ['alert', 200, (size) => [{ type: 'alert', text: plain(size) }]],
    ['card title', 150, (size) => [card({ title: mrkdwn(size) })]],
    ['card subtitle', 150, (size) => [card({ subtitle: mrkdwn(size) })]],
    ['card body', 200, (size) => [card({ body: mrkdwn(size) })]],
    ['container children', 10, (size) => [container({ child_blocks: many(size, () => divider) })]],
    ['container title', 150, (size) => [container({ title: plain(size) })]],
    ['table rows', 100, (size) => [{ type: 'table', rows: many(size, () => row(1)) }]],
    ['table cells', 20, (size) => [{ type: 'table', rows: [row(size)] }]],
    ['markdown', 12_000, (size) => [{ type: 'markdown', text: x(size) }]],
    ['all text', MESSAGE_TEXT_MAX, sections],
    ['all text with rich text', RICH_MESSAGE_TEXT_MAX, (size) => [rich(x(size - 3000)), section(x(3000))]],
    // Five characters when Slack has escaped it.
    ['ampersands', 600, (size) => [section('&'.repeat(size))]],
  ]

  test.each(inMessages)('%s: %i', async (name, max, build) => {
    const { slack, channel } = await startApart()
    const post = (size: number) =>
      call(slack, 'chat.postMessage', { channel: channel.id, text: 't', blocks: build(size) })
    expect(await post(max)).toMatchObject({ ok: true })
    const error = name.startsWith('all text') ? 'msg_blocks_too_long' : 'invalid_blocks'
    expect(await post(max + 1)).toMatchObject({ ok: false, error })
    expect(slack.messages(channel.id)).toHaveLength(1)
  })

  const metadata = (size: number) => ({ ...modal(), private_metadata: x(size) })
  const inViews: readonly (readonly [string, number, (size: number) => Fields])[] = [
    ['blocks', 100, (size) => ({ ...modal(), blocks: many(size, () => divider) })],
    ['title', 24, (size) => ({ ...modal(), title: plain(size) })],
    ['submit', 24, (size) => ({ ...modal(), submit: plain(size) })],
    ['close', 24, (size) => ({ ...modal(), close: plain(size) })],
    ['private_metadata', 3000, metadata],
    ['callback_id', 255, (size) => ({ ...modal(), callback_id: x(size) })],
    ['external_id', 255, (size) => ({ ...modal(), external_id: x(size) })],
    ['input', 3000, (size) => ({ ...modal(), blocks: [textInput({ initial_value: x(size) })] })],
    ['input length', 3000, (size) => ({ ...modal(), blocks: [textInput({ max_length: size })] })],
    ['input label', 2000, (size) => ({ ...modal(), blocks: [{ ...textInput(), label: plain(size) }] })],
    [
      'bytes',
      250_000,
      (size) => {
        const bare = { ...modal(), blocks: many(100, () => section(x(2400))), fill: '' }
        return { ...bare, fill: x(size - Buffer.byteLength(JSON.stringify(bare))) }
      },
    ],
  ]

  test.each(inViews)('view: %s: %i', async (name, max, build) => {
    const { slack, channel, minsu } = await startApart()
    const { ts } = await posted(slack, channel.id, [buttons()])
    const open = async (size: number) => {
      const clicked = await slack.click({ channel: channel.id, ts, actionId: 'deny', user: minsu.id })
      return call(slack, 'views.open', { trigger_id: clicked.payload.trigger_id, view: build(size) })
    }
    expect(await open(max)).toMatchObject({ ok: true })
    const error = name === 'bytes' ? 'view_too_large' : 'invalid_arguments'
    expect(await open(max + 1)).toMatchObject({ ok: false, error })
  })

  const wrong: readonly (readonly [string, Fields[], string])[] = [
    ['the same action twice in a block', [actions(button(), button())], 'already exists'],
    ['the same block twice', many(2, () => ({ ...divider, block_id: 'b' })), 'already exists'],
    ['an unknown block', [{ type: 'applause' }], 'unsupported type'],
    ['an input among actions', [actions(fieldsOf(textInput().element))], 'unsupported type'],
    ['a button without words', [actions(button({ text: plain(0) }))], 'more than 0'],
    ['mrkdwn on a button', [actions(button({ text: mrkdwn(1) }))], 'unsupported type'],
    ['an unknown style', [actions(button({ style: 'calm' }))], 'valid enum'],
    ['a mention in preformatted text', [preformattedMention()], 'unsupported type'],
    ['empty actions', [actions()], 'no fewer than 1'],
  ]

  test.each(wrong)('%s', async (_name, blocks, words) => {
    const { slack, channel } = await startApart()
    const answer = await call(slack, 'chat.postMessage', { channel: channel.id, blocks })
    expect(answer).toMatchObject({ ok: false, error: 'invalid_blocks' })
    expect(JSON.stringify(answer.response_metadata)).toContain(words)
    expect(JSON.stringify(answer.errors)).toContain('json-pointer:/blocks/')
  })

  test('the same action in two blocks is taken', async () => {
    const { slack, channel } = await startApart()
    const blocks = [actions(button()), actions(button())]
    expect(await call(slack, 'chat.postMessage', { channel: channel.id, blocks })).toMatchObject({ ok: true })
  })

  test('the fallback text: 40,000 when posted, 4,000 when updated', async () => {
    const { slack, channel } = await startApart()
    const post = (size: number) => call(slack, 'chat.postMessage', { channel: channel.id, text: x(size) })
    const { ts } = await post(40_000)
    const update = (size: number) => call(slack, 'chat.update', { channel: channel.id, ts, text: x(size) })
    expect(await post(40_001)).toMatchObject({ error: 'msg_too_long' })
    expect(await update(4000)).toMatchObject({ ok: true })
    expect(await update(4001)).toMatchObject({ error: 'msg_too_long' })
  })
})

describe('bad weather', () => {
  test('one message a second in a channel after a small burst; others go on', async () => {
    const { slack, channel } = await startApart({ messageRate: { perSecond: 1, burst: 2 } })
    const other = slack.addChannel({ name: 'other' })
    const post = (id: string) => raw(slack, 'chat.postMessage', { channel: id, text: 't' })
    expect((await post(channel.id)).status).toBe(200)
    expect((await post(channel.id)).status).toBe(200)
    const refused = await post(channel.id)
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1'])
    expect((await post(other.id)).status).toBe(200)
    slack.advance(1000)
    expect((await post(channel.id)).status).toBe(200)
  })

  test('a rate limit set by the test holds on the clock of the double, for one method', async () => {
    const { slack, channel } = await startApart()
    slack.rateLimit('chat.update', 30)
    const { ts } = await posted(slack, channel.id, [section('One')])
    const update = () => raw(slack, 'chat.update', { channel: channel.id, ts, text: 'Two' })
    expect((await update()).headers.get('retry-after')).toBe('30')
    slack.advance(30_000)
    expect((await update()).status).toBe(200)
  })

  test('a post whose answer got lost is there all the same', async () => {
    const { slack, app, channel } = await start('http')
    slack.dropAfter('chat.postMessage')
    await expect(post(slack, app, channel.id, [section('Once')])).rejects.toThrow()
    expect(slack.messages(channel.id).map((message) => slack.textOf(message))).toEqual(['Once'])
    slack.failNext('chat.postMessage', 'fatal_error')
    await expect(post(slack, app, channel.id, [section('Not')])).rejects.toThrow('fatal_error')
    await post(slack, app, channel.id, [section('Twice')])
    expect(slack.messages(channel.id)).toHaveLength(2)
  })

  test('a held call is done at the release, although the app has given up', async () => {
    const { slack, channel } = await startApart()
    const held = slack.hold('chat.postMessage')
    const impatient = new AbortController()
    const calling = raw(slack, 'chat.postMessage', { channel: channel.id, text: 'late' }, impatient.signal)
    await held.arrived
    impatient.abort()
    await expect(calling).rejects.toThrow()
    expect(slack.messages(channel.id)).toEqual([])
    held.release()
    await slack.waitForMessage(({ text }) => text === 'late')
  })

  test('refuses connections, answers 500, or not at all, and comes back on the same port', async () => {
    const { slack } = await startApart()
    await slack.down()
    await expect(call(slack, 'auth.test')).rejects.toThrow()
    await slack.up()
    await slack.down('http_500')
    expect((await raw(slack, 'auth.test', {})).status).toBe(500)
    await slack.up()
    await slack.down('timeout')
    await expect(raw(slack, 'auth.test', {}, AbortSignal.timeout(50))).rejects.toThrow()
    await slack.up()
    expect(await call(slack, 'auth.test')).toMatchObject({ ok: true })
    slack.slow(20)
    expect(await call(slack, 'auth.test')).toMatchObject({ ok: true })
  })

  test('the app connects anew after a refresh and after a cut', async () => {
    const { slack, app, channel, minsu } = await start('socket')
    app.action('deny', async ({ ack }) => ack())
    const { ts } = await post(slack, app, channel.id, [buttons()])
    const click = () => slack.click({ channel: channel.id, ts, actionId: 'deny', user: minsu.id })
    const connected = (number: number) =>
      expect.poll(() => slack.connections(), { timeout: 5000, interval: 20 }).toEqual([number])

    slack.disconnectSockets()
    expect(await click()).toMatchObject({ outcome: 'dispatch_failed' })
    await connected(2)
    expect(await click()).toMatchObject({ outcome: 'acknowledged', connection: 2 })
    slack.closeSockets()
    await connected(3)
    expect(await click()).toMatchObject({ outcome: 'acknowledged', connection: 3 })
  })

  test('with two connections each payload goes to one of them, the same with the same seed', async () => {
    const { slack, app, channel, minsu } = await start('socket', { seed: 7 })
    const heard: string[] = []
    app.action('deny', async ({ ack }) => {
      heard.push('first')
      await ack()
    })
    const second = await connect(slack)
    await slack.waitForConnections(2)
    second.action('deny', async ({ ack }) => {
      heard.push('second')
      await ack()
    })
    const { ts } = await post(slack, app, channel.id, [buttons()])
    const numbers: (number | null)[] = []
    for (let times = 0; times < 8; times++) {
      const clicked = await slack.click({ channel: channel.id, ts, actionId: 'deny', user: minsu.id })
      numbers.push(clicked.connection)
    }
    expect(heard).toEqual(numbers.map((number) => (number === 1 ? 'first' : 'second')))
    expect(numbers).toEqual([1, 1, 2, 2, 2, 1, 1, 1])
  })
})

describe('what a person reads', () => {
  test('rich text as it is, mrkdwn by its words, dates by their fallback', async () => {
    const { slack, channel } = await startApart()
    const { ts } = await posted(slack, channel.id, [
      { type: 'header', text: { type: 'plain_text', text: 'Critical' } },
      section('*Who* <https://x.example|Minsu> &lt;b&gt; <!date^1^{time}|at nine> <!here>'),
      {
        type: 'rich_text',
        elements: [
          { type: 'rich_text_preformatted', elements: [{ type: 'text', text: '{"a": "&lt;"}' }] },
          { type: 'rich_text_section', elements: [{ type: 'user', user_id: 'U1' }] },
        ],
      },
      { type: 'section', text: { type: 'plain_text', text: 'x'.repeat(700) } },
    ])
    const message = slack.message(channel.id, ts)
    const lines = slack.textOf(message).split('\n')
    expect(lines.slice(0, 4)).toEqual(['Critical', '*Who* Minsu <b> at nine @here', '{"a": "&lt;"}', '@U1'])
    expect(lines.at(-1)).toHaveLength(700)
    expect(slack.textAtAGlance(message)).toMatch(/x{600}… See more$/)
  })
})

const divider = { type: 'divider' }

function section(text: string): types.KnownBlock & Fields {
  return { type: 'section', text: { type: 'mrkdwn', text } }
}

function buttons(): types.KnownBlock & Fields {
  const confirm = { text: { type: 'plain_text', text: 'Really?' } } as const
  const approve: types.Button = {
    type: 'button',
    action_id: 'approve',
    text: { type: 'plain_text', text: 'Approve' },
    value: 'a1.3',
    confirm,
  }
  const deny: types.Button = {
    type: 'button',
    action_id: 'deny',
    text: { type: 'plain_text', text: 'Deny' },
    value: 'a1.3',
  }
  return { type: 'actions', block_id: 'decide', elements: [approve, deny] }
}

function textInput(more: Fields = {}): types.KnownBlock & Fields {
  return {
    type: 'input',
    block_id: 'reason',
    label: { type: 'plain_text', text: 'Reason' },
    element: { type: 'plain_text_input', action_id: 'text', ...more },
  }
}

function modal(): types.ModalView & Fields {
  return {
    type: 'modal',
    callback_id: 'reason',
    title: { type: 'plain_text', text: 'Why?' },
    submit: { type: 'plain_text', text: 'Send' },
    blocks: [textInput()],
  }
}

function preformattedMention(): Fields {
  const mention = { type: 'user', user_id: 'U1' }
  return { type: 'rich_text', elements: [{ type: 'rich_text_preformatted', elements: [mention] }] }
}

/** A workspace with one channel and one person in it. */
async function startApart(options: Parameters<typeof startSlackDouble>[0] = {}) {
  const slack = await startSlackDouble({ ackTimeoutMs: 2000, ...options })
  closing.push(() => slack.close())
  const minsu = slack.addUser({ name: 'minsu', realName: 'Kim Minsu' })
  const channel = slack.addChannel({ name: 'approvals' })
  return { slack, minsu, channel }
}

/** The same with an app. */
async function start(mode: 'http' | 'socket', options: Parameters<typeof startSlackDouble>[0] = {}) {
  const world = await startApart(options)
  const app = mode === 'http' ? await serve(world.slack) : await connect(world.slack)
  return { ...world, app }
}

const quiet = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  setLevel() {},
  setName() {},
  getLevel: () => LogLevel.ERROR,
}

function bolt(slack: SlackDouble, receiver: Receiver): App {
  return new App({
    receiver,
    logger: quiet,
    authorize: async () => ({ botToken: slack.tokens.bot, botUserId: slack.botUserId, botId: 'B0HOLD' }),
    clientOptions: { slackApiUrl: slack.slackApiUrl, timeout: 5000, retryConfig: { retries: 0 } },
  })
}

async function connect(slack: SlackDouble): Promise<App> {
  const receiver = new SocketModeReceiver({
    appToken: slack.tokens.app,
    logger: quiet,
    // Also how long it waits before it connects anew.
    clientPingTimeout: 150,
    installerOptions: { clientOptions: { slackApiUrl: slack.slackApiUrl, retryConfig: { retries: 0 } } },
  })
  const app = bolt(slack, receiver)
  await app.start()
  closing.push(() => app.stop())
  return app
}

/** Bolt behind an HTTP server of our own, as the gateway has it. */
async function serve(slack: SlackDouble): Promise<App> {
  let started: App | null = null
  const server = createServer((req, res) => {
    readText(req)
      .then(async (raw) => {
        const { status, body } = await answerTo(raw, req.headers)
        res.writeHead(status, { 'content-type': 'application/json' })
        res.end(body === undefined || body === '' ? '' : JSON.stringify(body))
      })
      .catch((error: unknown) => res.writeHead(500).end(String(error)))
  })

  async function answerTo(raw: string, headers: Readonly<Record<string, string | string[] | undefined>>) {
    try {
      verifySlackRequest({
        signingSecret: slack.signingSecret,
        body: raw,
        headers: {
          'x-slack-signature': String(headers['x-slack-signature']),
          'x-slack-request-timestamp': Number(headers['x-slack-request-timestamp']),
        },
      })
    } catch {
      return { status: 401, body: '' }
    }
    const isJson = headers['content-type'] === 'application/json'
    const form = Object.fromEntries(new URLSearchParams(raw))
    const body = isJson || form.payload !== undefined ? parseJson(isJson ? raw : (form.payload ?? '')) : form
    const { type, challenge, ssl_check } = fieldsOf(body)
    if (body === undefined) return { status: 400, body: '' }
    if (ssl_check !== undefined) return { status: 200, body: '' }
    if (type === 'url_verification') return { status: 200, body: { challenge } }
    return new Promise<{ status: number; body: unknown }>((resolve, reject) => {
      started
        ?.processEvent({
          body: { ...fieldsOf(body) },
          ack: async (answer) => resolve({ status: 200, body: answer }),
        })
        .catch(reject)
    })
  }

  const receiver: Receiver = {
    init(app) {
      started = app
    },
    start: async () => {},
    stop: async () => {},
  }
  const app = bolt(slack, receiver)
  slack.useHttp(await listenAt(server))
  return app
}

async function listenAt(server: Server): Promise<URL> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(async () => {
    server.close()
    server.closeAllConnections()
  })
  const address = server.address()
  assert(address !== null && typeof address === 'object')
  return new URL(`http://127.0.0.1:${address.port}/slack/events`)
}

async function post(slack: SlackDouble, app: App, channel: string, blocks: (types.KnownBlock & Fields)[]) {
  const { ts } = await app.client.chat.postMessage({
    channel,
    text: 'Approval',
    blocks,
    token: slack.tokens.bot,
  })
  return { ts: stringOf(ts) }
}

async function posted(slack: SlackDouble, channel: string, blocks: Fields[]) {
  const answer = await call(slack, 'chat.postMessage', { channel, text: 'Approval', blocks })
  assert(answer.ok === true, JSON.stringify(answer))
  return { ts: stringOf(answer.ts) }
}

function raw(slack: SlackDouble, method: string, args: Fields, signal: AbortSignal | null = null) {
  return fetch(`${slack.slackApiUrl}${method}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${slack.tokens.bot}` },
    body: JSON.stringify(args),
    signal,
  })
}

async function call(
  slack: SlackDouble,
  method: string,
  args: Fields = {},
  token: string = slack.tokens.bot,
): Promise<Fields> {
  const response = await fetch(`${slack.slackApiUrl}${method}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(args),
  })
  return fieldsOf(parseJson(await response.text()))
}
