/**
 * The only way to fetch what configuration or discovery points at: keys, metadata, token endpoints. A name is resolved
 * once, every address it has is checked, and the connection goes to a checked one, so that a name which changes its mind
 * (DNS rebinding) gains nothing. No redirects, no proxies, and a bound on time and size.
 */
import { type LookupAddress, type LookupOptions, lookup as systemLookup } from 'node:dns'
import { isIP } from 'node:net'
import { Agent, fetch as undiciFetch } from 'undici'
import { isPublicAddress, isWithin } from './address.ts'

export type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>

/** A fetch that did not take place, or not to its end; its message is for an operator and holds no secrets. */
export class FetchRefused extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'FetchRefused'
  }
}

export type Lookup = (
  hostname: string,
  options: LookupOptions & { all: true },
  done: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

export interface GuardedFetchOptions {
  /** Networks beyond the public internet that the configuration names, as 10.0.0.0/8. */
  readonly privateNetworks: readonly string[]
  /**
   * Addresses that stand in the configuration. Where one names this machine or a private host by its address, that origin
   * is meant; a name never is, because whoever answers for the name decides where it leads.
   */
  readonly named: readonly URL[]
  readonly lookup?: Lookup
}

/** Key sets and metadata have some kilobytes. */
export const ANSWER_BYTES_MAX = 512 * 1024
/** A token endpoint that needs longer than this is down. */
const ANSWER_MS_MAX = 10_000

export function createGuardedFetch(options: GuardedFetchOptions): Fetch {
  const { privateNetworks, named, lookup = systemLookup } = options
  const namedOrigins = new Set(named.filter(isLiteral).map(({ origin }) => origin))

  return async function guardedFetch(input, init = {}) {
    const url = new URL(input)
    const isNamed = namedOrigins.has(url.origin)
    const isAllowed = (address: string) =>
      isPublicAddress(address) || isWithin(address, privateNetworks) || isNamed
    if (url.protocol !== 'https:' && !(url.protocol === 'http:' && mayBePlain(url, isNamed, privateNetworks)))
      throw new FetchRefused(`${url.origin} is not reached by https`)
    if (url.username !== '' || url.password !== '')
      throw new FetchRefused(`the address of ${url.host} carries credentials`)
    const literal = bare(url.hostname)
    // An address is connected to without being looked up.
    if (isIP(literal) !== 0 && !isAllowed(literal)) throw forbidden(url.host, literal)

    const agent = new Agent({
      pipelining: 0,
      connect: {
        timeout: ANSWER_MS_MAX,
        lookup: (hostname, asked, done) =>
          lookup(hostname, { ...asked, all: true }, (error, addresses) => {
            const [first] = addresses ?? []
            if (error !== null || first === undefined) {
              return done(error ?? new FetchRefused(`${hostname} has no address`), '', 0)
            }
            const wrong = addresses.find(({ address }) => !isAllowed(address))
            if (wrong !== undefined) return done(forbidden(url.host, wrong.address), '', 0)
            if (asked.all === true) done(null, addresses)
            else done(null, first.address, first.family)
          }),
      },
    })
    try {
      const limit = AbortSignal.timeout(ANSWER_MS_MAX)
      const response = await undiciFetch(url, {
        method: init.method ?? 'GET',
        ...(await sent(init)),
        redirect: 'manual',
        dispatcher: agent,
        signal: init.signal ? AbortSignal.any([init.signal, limit]) : limit,
      })
      if (response.status >= 300 && response.status < 400) {
        const target = response.headers.get('location') ?? 'nowhere'
        throw new FetchRefused(`${url.origin} redirects to ${target.slice(0, 200)}, which is not followed`)
      }
      const bytes = await readAll(response.body, url.origin)
      // Statuses without a body must not get an empty one either.
      const body = [204, 205].includes(response.status) ? null : bytes
      return new Response(body, { status: response.status, headers: [...response.headers] })
    } catch (error) {
      throw refusalOf(error, url)
    } finally {
      void agent.destroy()
    }
  }
}

/** `localhost` is an address by another name: it leads to this machine wherever it is asked (RFC 6761, section 6.3). */
const isLiteral = (url: URL) => isIP(bare(url.hostname)) !== 0 || url.hostname === 'localhost'

/** Nothing secret crosses a network in the clear; this machine and what an operator wrote out are no such network. */
function mayBePlain(url: URL, isNamed: boolean, networks: readonly string[]): boolean {
  return isNamed || isWithin(bare(url.hostname), networks)
}

const bare = (hostname: string) => hostname.replace(/^\[(.*)\]$/, '$1')

function forbidden(host: string, address: string): FetchRefused {
  const remedy = 'if it is meant, name its network under `private_networks`'
  return new FetchRefused(`${host} leads to ${address}, which is not on the public internet; ${remedy}`)
}

/** Clients of OAuth send forms and JSON, and nothing that streams. A form says itself what it is. */
async function sent({ headers, body }: RequestInit) {
  const content = new Response(body ?? null)
  const all = new Headers(headers)
  const type = content.headers.get('content-type')
  if (type !== null && !all.has('content-type')) all.set('content-type', type)
  return { headers: [...all], body: content.body === null ? null : await content.text() }
}

async function readAll(
  body: AsyncIterable<Uint8Array> | null,
  origin: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body ?? []) {
    bytes += chunk.byteLength
    if (bytes > ANSWER_BYTES_MAX)
      throw new FetchRefused(`${origin} answers more than ${ANSWER_BYTES_MAX} bytes`)
    chunks.push(chunk)
  }
  return new Uint8Array(Buffer.concat(chunks))
}

/** undici wraps what went wrong; the innermost error says it. */
function refusalOf(error: unknown, url: URL): FetchRefused {
  let found = error
  for (let depth = 0; depth < 5 && found instanceof Error; depth += 1) {
    if (found instanceof FetchRefused) return found
    const inner: unknown = found instanceof AggregateError ? found.errors[0] : found.cause
    if (inner === undefined) break
    found = inner
  }
  const isSlow = error instanceof Error && error.name === 'TimeoutError'
  const why = isSlow ? 'it did not answer in time' : found instanceof Error ? found.message : String(found)
  return new FetchRefused(`${url.origin} cannot be fetched: ${why}`, { cause: error })
}
