/**
 * An upstream at a URL. Each exchange is one HTTP request: nothing is repeated, no redirect is followed, and a fault
 * says whether the request had been started.
 */
import { Client, type Dispatcher, Pool } from 'undici'
import type { Result } from '../../domain/result.ts'
import type { Log } from '../../ports/log.ts'
import type {
  CredentialHeaders,
  NoCredentials,
  UpstreamCredentials,
} from '../../ports/upstream-credentials.ts'
import { dispatchOnce } from './dispatch-once.ts'
import { headersUp } from './headers.ts'
import { type Upstream, UpstreamFault, type WireRequest, type WireResponse } from './wire.ts'

/** A host that does not complete a connection in this time is down, as far as a waiting agent is concerned. */
const CONNECT_MS = 10_000

interface AtPath extends WireRequest {
  readonly path: string
}

interface HttpUpstreamOptions {
  readonly server: string
  readonly url: string
  /** From the configuration, credentials included; they win over the client's. */
  readonly headers: Readonly<Record<string, string>>
  /** Those that have to be got first; `null`: `headers` are all there are. */
  readonly credentials: UpstreamCredentials | null
  readonly log: Log
}

export interface HttpUpstream extends Upstream {
  /** The same at another path of the same origin: whatever it says, no other host is ever asked. @throws UpstreamFault */
  exchangeAt(path: string, request: WireRequest): Promise<WireResponse>
}

export function createHttpUpstream(options: HttpUpstreamOptions): HttpUpstream {
  const { server, url, headers, credentials, log } = options
  const { origin, pathname, search } = new URL(url)
  // Answers may be silent for hours while a tool works; whoever waits has a limit of its own.
  const connection = { connect: { timeout: CONNECT_MS }, headersTimeout: 0, bodyTimeout: 0, allowH2: false }
  // One request at a time on each connection: behind an open stream nothing else could move.
  const pool = new Pool(origin, { ...connection, connections: null, pipelining: 1 })
  const ownClients = new Set<Client>()

  async function exchangeAt(path: string, request: WireRequest): Promise<WireResponse> {
    const asked = { ...request, path }
    const response = request.freshConnection ? await sendOnce(asked) : await sendSigned(asked)
    if (response.status < 300 || response.status > 399) return response
    await response.body?.cancel()
    // Following it could carry the configured credentials to another host, or send a call twice.
    throw new UpstreamFault(
      `${server} answered with a redirect (HTTP ${response.status}) to ${response.headers.location ?? 'nowhere'}. ` +
        'Redirects are not followed: set the url of this server to its final address.',
      true,
    )
  }

  /** With what is in hand: getting new credentials takes time that a call has not after its claim. */
  async function sendOnce(request: AtPath): Promise<WireResponse> {
    if (credentials === null) return onOwnConnection(request, {})
    const own = credentials.inHand(request.principal)
    if (own === null) throw new UpstreamFault(`the credentials for ${server} have just ended`, false)
    return onOwnConnection(request, own)
  }

  /** A server that refuses the credentials (401) has not acted: then once more, with others. */
  async function sendSigned(request: AtPath): Promise<WireResponse> {
    if (credentials === null) return send(pool, request, {}, () => {})
    const own = granted(await credentials.current(request.principal))
    const response = await send(pool, request, own, () => {})
    if (response.status !== 401) return response
    await response.body?.cancel()
    const others = granted(await credentials.instead(own, request.principal))
    return send(pool, request, others, () => {})
  }

  function granted(found: Result<CredentialHeaders, NoCredentials>): CredentialHeaders {
    if (found.ok) return found.value
    const { reason, told } = found.error
    throw new UpstreamFault(`nothing was sent to ${server}: ${reason}`, false, { told })
  }

  function send(
    dispatcher: Dispatcher,
    request: AtPath,
    own: CredentialHeaders,
    onEnd: () => void,
  ): Promise<WireResponse> {
    log.debug({ server, method: request.method, fresh: request.freshConnection }, 'upstream request')
    return dispatchOnce({
      server,
      dispatcher,
      request: {
        method: request.method,
        path: request.path,
        headers: headersUp(request.headers, { ...headers, ...own }),
        body: request.body,
      },
      signal: request.signal,
      mayStart: request.mayStart,
      onEnd,
    })
  }

  function onOwnConnection(request: AtPath, own: CredentialHeaders): Promise<WireResponse> {
    // `pipelining: 0` is undici's word for `connection: close`.
    const client = new Client(origin, { ...connection, pipelining: 0 })
    ownClients.add(client)
    return send(client, request, own, () => {
      ownClients.delete(client)
      void client.destroy()
    })
  }

  async function close(): Promise<void> {
    await Promise.all([pool, ...ownClients].map((dispatcher) => dispatcher.destroy()))
  }

  const ownPath = `${pathname}${search}`
  return { server, exchangeAt, exchange: (request) => exchangeAt(ownPath, request), close }
}
