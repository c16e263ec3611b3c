/**
 * Slack for tests: a real HTTP and WebSocket server that speaks Slack's protocol to an app made with the real Bolt,
 * keeps what a workspace keeps, and enforces Slack's rules. A test is the people in it, and the weather.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { createDelivery, type Delivery, type Tampering, type Transport } from './delivery.ts'
import { createFaults, type Held, type Outage } from './faults.ts'
import { type Acted, type Click, createInteractivity, type Submitted, type Values } from './interactivity.ts'
import { type Fields, fieldsOf, isFields, parseJson } from './json.ts'
import type { Rate } from './rate-limit.ts'
import { buttonsOf, type Shown, type ShownButton, textAtAGlance, textOf } from './reader.ts'
import { createSocketMode } from './socket-mode.ts'
import {
  type Access,
  type Answer,
  createWebApi,
  parseArguments,
  rateLimited,
  type SlackRequest,
  type Tokens,
} from './web-api.ts'
import {
  APP_ID,
  BOT_USER_ID,
  createWorkspace,
  type SlackChannel,
  type SlackEphemeral,
  type SlackMessage,
  type SlackUser,
  type SlackView,
  TEAM_ID,
} from './workspace.ts'

export interface SlackDoubleOptions {
  /** Decides which socket gets which payload. */
  readonly seed?: number
  /** How long Slack waits for an acknowledgement. Three seconds in truth. */
  readonly ackTimeoutMs?: number
  readonly scopes?: readonly string[]
  /** Of `chat.postMessage`, per channel. `null`: no limits, of no method. */
  readonly messageRate?: Rate | null
}

export interface SlackDouble {
  /** For `clientOptions.slackApiUrl`. */
  readonly slackApiUrl: string
  readonly signingSecret: string
  readonly tokens: Tokens
  readonly teamId: string
  readonly appId: string
  readonly botUserId: string
  /** Every call of the Web API, refused ones included, in order. */
  readonly requests: readonly SlackRequest[]
  requestsOf(method: string): SlackRequest[]

  /** Payloads go to this address, signed. Before, and after `useSocketMode`, they go over open sockets. */
  useHttp(url: URL): void
  useSocketMode(): void

  addUser(user: Partial<SlackUser> & { readonly name: string }): SlackUser
  addChannel(channel: {
    readonly name: string
    readonly kind?: SlackChannel['kind']
    readonly members?: readonly string[]
    readonly isArchived?: boolean
    /** The app has not been invited. */
    readonly isWithoutBot?: boolean
  }): SlackChannel
  /** Also changes one: the members of a group that exists are replaced. */
  setUsergroup(group: {
    readonly id: string
    readonly handle: string
    readonly users: readonly string[]
  }): void
  /** Changes a person: deleted, a guest now, renamed. */
  changeUser(id: string, change: Partial<Omit<SlackUser, 'id'>>): SlackUser
  /** A message by somebody who is not the app. */
  say(said: { readonly channel: string; readonly user: string; readonly text: string }): SlackMessage
  setScopes(scopes: readonly string[]): void
  /** Of the app-level token, which opens sockets with `connections:write`. */
  setAppScopes(scopes: readonly string[]): void
  /** All calls fail with this, e.g. `token_revoked`, until `null`. */
  setTokenError(error: string | null): void

  /** In one channel, or everywhere; replies in threads included. */
  messages(channel?: string): SlackMessage[]
  thread(channel: string, ts: string): SlackMessage[]
  /** The message as it is now. */
  message(channel: string, ts: string): SlackMessage
  ephemerals(user?: string): SlackEphemeral[]
  /** The open views of a person, the one on top last; the Home tab first. */
  views(user: string): SlackView[]
  textOf(shown: Shown): string
  /** Without what Slack folds behind "See more". */
  textAtAGlance(shown: Shown): string
  buttons(shown: Pick<Shown, 'blocks'>): ShownButton[]

  waitForMessage(fits: (message: SlackMessage) => boolean, limitMs?: number): Promise<SlackMessage>
  waitForEphemeral(fits: (message: SlackEphemeral) => boolean, limitMs?: number): Promise<SlackEphemeral>
  waitForView(fits: (view: SlackView) => boolean, limitMs?: number): Promise<SlackView>
  /** An answered call, past or to come. */
  waitForRequest(fits: (request: SlackRequest) => boolean, limitMs?: number): Promise<SlackRequest>
  /** Exactly so many sockets are open. */
  waitForConnections(count: number, limitMs?: number): Promise<void>

  click(click: Click): Promise<Acted>
  viewAction(acted: Parameters<ReturnType<typeof createInteractivity>['viewAction']>[0]): Promise<Acted>
  submitView(submitted: {
    readonly viewId: string
    readonly user: string
    readonly values?: Values
    readonly tampering?: Tampering
  }): Promise<Submitted>
  closeView(closed: { readonly viewId: string; readonly user: string }): Promise<Delivery | null>
  command(typed: {
    readonly command: string
    readonly text: string
    readonly user: string
    readonly channel: string
    readonly tampering?: Tampering
  }): Promise<Acted>
  openHome(opened: { readonly user: string }): Promise<Delivery[]>
  /** Any event; all attempts, the last one first acknowledged. */
  sendEvent(event: Fields, tampering?: Tampering): Promise<Delivery[]>
  /** The handshake of the Events API: whether the challenge came back. HTTP only. */
  urlVerification(): Promise<boolean>
  sslCheck(): Promise<Delivery>
  /** Any body at all to the request address, signed. */
  post(
    body: string,
    how?: { readonly contentType?: string; readonly tampering?: Tampering },
  ): Promise<Delivery>

  down(outage?: Outage): Promise<void>
  up(): Promise<void>
  /** Each call waits so long before anything is done with it. 0: no more. */
  slow(ms: number): void
  /** Calls of this method are refused for so long on the double's clock: in one channel, or at all. */
  rateLimit(method: string, retryAfterS: number, channel?: string): void
  failNext(method: string, error: string): void
  /** The next call is done, and its answer lost. */
  dropAfter(method: string): void
  /** The next call arrives and waits; nothing is done before the release. */
  hold(method: string): Held
  /** Cuts all sockets. */
  closeSockets(): void
  /** Slack's regular refresh: the app is asked to connect anew, and gets nothing more here. */
  disconnectSockets(reason?: string): void
  connections(): number[]
  duplicateNextClick(): void
  delayNextClick(): { release(): void }
  /** The app's next acknowledgement gets lost on the way. */
  loseNextAck(): void
  /** Moves the double's clock: triggers, response addresses and rate limits age. */
  advance(ms: number): void
  close(): Promise<void>
}

export const allScopes = [
  'chat:write',
  'commands',
  'im:write',
  'users:read',
  'users:read.email',
  'usergroups:read',
  'channels:read',
  'groups:read',
  'im:read',
  'reactions:write',
]

/** Only ends what hangs. */
const WAIT_MS = 60_000
const BODY_BYTES_MAX = 2_000_000

export async function startSlackDouble(options: SlackDoubleOptions = {}): Promise<SlackDouble> {
  let offsetMs = 0
  const nowMs = () => Date.now() + offsetMs
  const signingSecret = 'double-signing-secret'
  const tokens: Tokens = { bot: 'xoxb-double', app: 'xapp-double' }
  const access: Access = {
    scopes: new Set(options.scopes ?? allScopes),
    appScopes: new Set(['connections:write']),
    tokenError: null,
    messageRate: options.messageRate === undefined ? { perSecond: 1, burst: 5 } : options.messageRate,
  }
  const requests: SlackRequest[] = []
  const connected = new Set<Socket>()
  const silenced = new Set<ServerResponse>()
  const workspace = createWorkspace({ nowMs })
  const faults = createFaults({ nowMs })
  const sockets = createSocketMode({ workspace, seed: options.seed ?? 1 })
  const openSocketUrl = () => `ws://127.0.0.1:${port}/link/?ticket=${sockets.openTicket()}&app_id=${APP_ID}`
  const webApi = createWebApi({ workspace, nowMs, tokens, access, openSocketUrl })
  const delivery = createDelivery({ sockets, signingSecret, ackTimeoutMs: options.ackTimeoutMs ?? 3000 })
  const baseUrl = () => `http://127.0.0.1:${port}`
  const interactivity = createInteractivity({ workspace, delivery, webApi, nowMs, baseUrl })
  addUser({ id: BOT_USER_ID, name: 'holdpoint', isBot: true })

  const server = createServer((req, res) => {
    handle(req, res).catch((error: unknown) => {
      if (!res.headersSent && !res.destroyed)
        send(res, { status: 500, headers: {}, body: { ok: false, error: String(error) } })
    })
  })
  server.requestTimeout = 0
  server.on('connection', (socket) => {
    connected.add(socket)
    socket.once('close', () => connected.delete(socket))
  })
  server.on('upgrade', (req, socket) => sockets.accept(req, socket))

  async function handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const body = await readBody(req)
    const path = (req.url ?? '').split('?')[0] ?? ''
    const isApi = path.startsWith('/api/')
    if (!isApi) return handleResponseUrl(path, body, res)
    const contentType = req.headers['content-type'] ?? ''
    const args = parseArguments(contentType, body)
    const bearer = /^Bearer (.+)$/.exec(req.headers.authorization ?? '')?.[1]
    const token = bearer ?? (typeof args.token === 'string' ? args.token : '')
    const method = path.slice('/api/'.length)
    const at = requests.length
    requests.push({ method, token, args, contentType, body, atMs: nowMs(), answer: null })
    workspace.changed()
    await run(at, res)
  }

  async function run(at: number, res: ServerResponse): Promise<void> {
    const request = requests[at]
    assert(request !== undefined)
    await faults.held(request)
    if (faults.slowMs() > 0) await new Promise((resolve) => setTimeout(resolve, faults.slowMs()))
    const fault = faults.of(request)
    switch (fault.kind) {
      case 'silence':
        silenced.add(res)
        return
      case 'http_500':
        return answered({ status: 500, headers: {}, body: { ok: false, error: 'internal_error' } })
      case 'rate_limited':
        return answered(rateLimited(fault.retryAfterS))
      case 'error':
        return answered({ status: 200, headers: {}, body: { ok: false, error: fault.error } })
      case 'drop_after':
        note(webApi.call(request.method, request.token, request.args))
        res.socket?.resetAndDestroy()
        return
      case 'none':
        return answered(webApi.call(request.method, request.token, request.args))
    }

    function answered(answer: Answer): void {
      note(answer)
      send(res, answer)
    }

    function note(answer: Answer): void {
      assert(request !== undefined)
      requests[at] = { ...request, answer }
      workspace.changed()
    }
  }

  function handleResponseUrl(path: string, body: string, res: ServerResponse): void {
    const answer = parseJson(body)
    const refusal = isFields(answer)
      ? interactivity.respond(path, answer)
      : { status: 400, error: 'invalid_payload' }
    if (refusal === null) res.writeHead(200, { 'content-type': 'text/plain' }).end('ok')
    else send(res, { status: refusal.status, headers: {}, body: { ok: false, error: refusal.error } })
  }

  async function listen(wanted: number): Promise<number> {
    server.listen(wanted, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    assert(address !== null && typeof address === 'object')
    return address.port
  }

  async function refuse(): Promise<void> {
    sockets.cut()
    for (const socket of connected) socket.destroy()
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    await closed
  }

  function addUser(user: Partial<SlackUser> & { readonly name: string }): SlackUser {
    return workspace.putUser({
      id: workspace.nextId('U'),
      realName: user.name,
      teamId: TEAM_ID,
      email: `${user.name}@example.com`,
      tz: 'Asia/Seoul',
      isBot: false,
      isDeleted: false,
      isRestricted: false,
      isUltraRestricted: false,
      isStranger: false,
      ...user,
    })
  }

  function httpUrl(transport: Transport): URL {
    assert(transport.kind === 'http', 'this needs a request address: call useHttp first')
    return transport.url
  }

  async function post(
    body: string,
    how: { readonly contentType?: string; readonly tampering?: Tampering } = {},
  ): Promise<Delivery> {
    const startedMs = performance.now()
    const answer = await delivery.post(httpUrl(delivery.transport()), body, {
      contentType: how.contentType ?? 'application/x-www-form-urlencoded',
      tampering: how.tampering ?? {},
      extra: {},
    })
    return { ...answer, tookMs: performance.now() - startedMs, payload: {} }
  }

  const port = await listen(0)

  return {
    slackApiUrl: `http://127.0.0.1:${port}/api/`,
    signingSecret,
    tokens,
    teamId: TEAM_ID,
    appId: APP_ID,
    botUserId: BOT_USER_ID,
    requests,
    requestsOf: (method) => requests.filter((request) => request.method === method),

    useHttp: (url) => delivery.use({ kind: 'http', url }),
    useSocketMode: () => delivery.use({ kind: 'socket' }),

    addUser,
    addChannel({ name, kind = 'public', members, isArchived = false, isWithoutBot = false }) {
      const people = members ?? [...workspace.users.keys()].filter((id) => id !== BOT_USER_ID)
      return workspace.putChannel({
        id: workspace.nextId('C'),
        name,
        kind,
        isArchived,
        members: new Set(isWithoutBot ? people : [...people, BOT_USER_ID]),
      })
    },
    setUsergroup: (group) => void workspace.usergroups.set(group.id, group),
    changeUser(id, change) {
      const user = workspace.users.get(id)
      assert(user !== undefined, `nobody here is called ${id}`)
      return workspace.putUser({ ...user, ...change })
    },
    say: ({ channel, user, text }) =>
      workspace.putMessage({
        channel,
        user,
        text,
        ts: workspace.nextTs(),
        threadTs: null,
        blocks: [],
        postedWith: {},
      }),
    setScopes(scopes) {
      access.scopes = new Set(scopes)
    },
    setAppScopes(scopes) {
      access.appScopes = new Set(scopes)
    },
    setTokenError(error) {
      access.tokenError = error
    },

    messages: (channel) =>
      workspace.messages().filter((message) => channel === undefined || message.channel === channel),
    thread: (channel, ts) =>
      workspace.messages().filter((message) => message.channel === channel && message.threadTs === ts),
    message(channel, ts) {
      const message = workspace.message(channel, ts)
      assert(message !== undefined, `there is no message ${ts} in ${channel}`)
      return message
    },
    ephemerals: (user) =>
      workspace.ephemerals.filter((message) => user === undefined || message.user === user),
    views: (user) => [...workspace.views.values()].filter((view) => view.user === user && view.isOpen),
    textOf,
    textAtAGlance,
    buttons: buttonsOf,

    waitForMessage: (fits, limitMs = WAIT_MS) =>
      workspace.until(
        () => workspace.messages().find(fits),
        () => `a message that fits. There are: ${described(workspace.messages())}`,
        limitMs,
      ),
    waitForEphemeral: (fits, limitMs = WAIT_MS) =>
      workspace.until(
        () => workspace.ephemerals.find(fits),
        () => `an ephemeral message that fits. There are: ${described(workspace.ephemerals)}`,
        limitMs,
      ),
    waitForView: (fits, limitMs = WAIT_MS) =>
      workspace.until(
        () => [...workspace.views.values()].find((view) => view.isOpen && fits(view)),
        () => `a view that fits. There are: ${[...workspace.views.values()].map(({ title }) => title)}`,
        limitMs,
      ),
    waitForRequest: (fits, limitMs = WAIT_MS) =>
      workspace.until(
        () => requests.find((request) => request.answer !== null && fits(request)),
        () => `a call that fits. There were: ${requests.map(({ method }) => method).join(', ')}`,
        limitMs,
      ),
    waitForConnections: (count, limitMs = WAIT_MS) =>
      workspace
        .until(
          () => (sockets.connections().length === count ? true : undefined),
          () => `${count} connections. There are ${sockets.connections().length}`,
          limitMs,
        )
        .then(() => undefined),

    click: interactivity.click,
    viewAction: interactivity.viewAction,
    submitView: interactivity.submitView,
    closeView: interactivity.closeView,
    command: interactivity.command,
    openHome: interactivity.openHome,
    sendEvent: interactivity.sendEvent,
    async urlVerification() {
      const challenge = workspace.nextId('challenge')
      const body = JSON.stringify({ type: 'url_verification', token: 'legacy', challenge })
      const { outcome, body: answer } = await post(body, { contentType: 'application/json' })
      return outcome === 'acknowledged' && (answer === challenge || fieldsOf(answer).challenge === challenge)
    },
    sslCheck: () => post('ssl_check=1&token=legacy'),
    post,

    async down(outage = 'refused') {
      faults.setOutage(outage)
      if (outage === 'refused') await refuse()
    },
    async up() {
      faults.setOutage(null)
      if (!server.listening) await listen(port)
      // Whoever still waits for an answer finds the connection gone.
      for (const res of silenced) res.destroy()
      silenced.clear()
    },
    slow: faults.setSlow,
    rateLimit: (method, retryAfterS, channel) => faults.limit(method, retryAfterS, channel ?? null),
    failNext: (method, error) => faults.next(method, { kind: 'error', error }),
    dropAfter: (method) => faults.next(method, { kind: 'drop_after' }),
    hold: faults.hold,
    closeSockets: sockets.cut,
    disconnectSockets: (reason = 'refresh_requested') => sockets.disconnect(reason),
    connections: sockets.connections,
    duplicateNextClick: interactivity.duplicateNextClick,
    delayNextClick: interactivity.delayNextClick,
    loseNextAck: delivery.loseNextAck,
    advance(ms) {
      offsetMs += ms
    },
    async close() {
      sockets.stop()
      await refuse()
    },
  }
}

function described(shown: readonly (Shown & { readonly channel: string })[]): string {
  return shown
    .map((one) => `\n  ${one.channel}: ${textOf(one).slice(0, 200).replaceAll('\n', ' / ')}`)
    .join('')
}

function send(res: ServerResponse, { status, headers, body }: Answer): void {
  if (res.destroyed) return
  res.writeHead(status, { ...headers, 'content-type': 'application/json; charset=utf-8' })
  res.end(JSON.stringify(body))
}

async function readBody(req: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of req) {
    const part = Buffer.from(chunk)
    bytes += part.length
    assert(bytes <= BODY_BYTES_MAX, 'the body is too large for Slack')
    chunks.push(part)
  }
  return Buffer.concat(chunks).toString('utf8')
}
