/**
 * Whether a URL speaks MCP 2026-07-28: it is asked `server/discover`, the one request that every such server answers. Asked when
 * a request first needs to know, never before an approved call is sent, and never at the start of the gateway. What only a
 * server of one era can answer counts for everybody; a refusal may be about one account, and counts for its principal.
 */
import { z } from 'zod'
import type { Principal } from '../../../domain/principal.ts'
import type { Clock } from '../../../ports/clock.ts'
import type { Log } from '../../../ports/log.ts'
import { newOwnId } from '../../own-id.ts'
import { rawMember } from '../../raw-json.ts'
import { MODERN_REVISION } from '../../revisions.ts'
import { type Asked, ask } from '../ask.ts'
import { parseJson } from '../peek.ts'
import { createPerPrincipal } from '../per-principal.ts'
import { anyTime, type Upstream, UpstreamFault } from '../wire.ts'
import { envelopeOf } from './words.ts'

/** Whoever needs longer to say what it speaks is treated as before, and asked again later. */
const ANSWER_MS = 10_000
const ANSWER_BYTES_MAX = 1024 * 1024
/** An answer that said nothing about this: refused credentials, a server that is overloaded. */
const UNCLEAR_MS = 30_000
/** A server is replaced by a newer one once in a while; requests do not wait for this. */
export const LOOK_AGAIN_MS = 10 * 60_000
/** A client whose requests are all refused does not double the traffic. */
export const DOUBT_MS = 5_000

export interface SpeaksModern {
  /**
   * `null`: it did not say. @param mayAsk where it may take time to find out
   * @throws UpstreamFault when this principal cannot reach it
   */
  isSo(principal: Principal, mayAsk: boolean): Promise<boolean | null>
  /** It refused this principal what it should have understood. */
  doubt(principal: Principal): void
}

/** What one principal alone was told. */
interface Own {
  readonly askedMs: number
  /** `true` is never of one alone. `null`: nothing that says what it speaks. */
  readonly said: false | null
  readonly isDoubted: boolean
}

interface Found {
  readonly said: boolean | null
  readonly isForAll: boolean
}

export function createSpeaksModern(
  upstream: Upstream,
  clock: Pick<Clock, 'monotonicMs'>,
  log: Log,
): SpeaksModern {
  const { server } = upstream
  let known: { readonly said: boolean; readonly askedMs: number } | null = null
  const owns = createPerPrincipal<Own>()
  const asking = createPerPrincipal<Promise<Found>>()
  /** Anybody's, so that a burst of first requests is one question. */
  let first: Promise<Found> | null = null

  const saidTo = (principal: Principal): boolean | null => owns.get(principal)?.said ?? known?.said ?? null

  async function isSo(principal: Principal, mayAsk: boolean): Promise<boolean | null> {
    const said = saidTo(principal)
    if (!mayAsk) return said
    const ageMs = clock.monotonicMs() - askedMs(principal)
    if (said === null) return ageMs < UNCLEAR_MS ? null : find(principal)
    if (owns.get(principal)?.isDoubted && ageMs >= DOUBT_MS) return find(principal)
    if (!said && ageMs >= LOOK_AGAIN_MS) {
      find(principal).catch((error: unknown) =>
        log.debug({ server, err: error }, 'its era could not be asked again'),
      )
    }
    return said
  }

  function askedMs(principal: Principal): number {
    const own = owns.get(principal)
    const ownMs = own?.askedMs ?? NEVER_MS
    return own?.said === false ? ownMs : Math.max(ownMs, known?.askedMs ?? NEVER_MS)
  }

  async function find(principal: Principal): Promise<boolean | null> {
    const own = asking.get(principal)
    if (own !== undefined) return (await own).said
    if (first !== null) {
      // Why another principal was not answered is nothing that this one may know, or has to suffer from.
      const found = await first.catch(() => null)
      if (found?.isForAll) return found.said
    }
    return (await (asking.get(principal) ?? start(principal))).said
  }

  function start(principal: Principal): Promise<Found> {
    const found = askIt(principal).finally(() => {
      asking.delete(principal)
      if (first === found) first = null
    })
    asking.set(principal, found)
    first ??= found
    return found
  }

  async function askIt(principal: Principal): Promise<Found> {
    const id = newOwnId()
    const envelope = envelopeOf({ info: CLIENT_INFO, capabilities: '{}', logLevel: null })
    const asked = await ask({
      upstream,
      principal,
      headers: { 'mcp-protocol-version': MODERN_REVISION, 'mcp-method': METHOD },
      id,
      body: `{"jsonrpc":"2.0","id":"${id}","method":"${METHOD}","params":{"_meta":${envelope}}}`,
      freshConnection: false,
      mayStart: anyTime,
      answerBytesMax: ANSWER_BYTES_MAX,
      silenceMs: ANSWER_MS,
      onMessage: () => {},
    })
    if (asked.kind === 'fault' && !asked.isSent)
      throw new UpstreamFault(asked.reason, false, { told: asked.told })
    const said = saidBy(asked)
    const nowMs = clock.monotonicMs()
    if (said === null || !isSaidToAll(said, asked)) {
      const before = owns.get(principal) ?? { said: null, isDoubted: false }
      owns.set(principal, { ...(said === null ? before : { said: false, isDoubted: false }), askedMs: nowMs })
      return { said: saidTo(principal), isForAll: false }
    }
    owns.delete(principal)
    if (known?.said !== said) {
      log.info({ server, modern: said }, 'found out whether a server speaks MCP 2026-07-28')
      owns.clear()
    }
    known = { said, askedMs: nowMs }
    return { said, isForAll: true }
  }

  return {
    isSo,
    doubt(principal) {
      const own = owns.get(principal) ?? { said: null, askedMs: NEVER_MS }
      owns.set(principal, { ...own, isDoubted: true })
    },
  }
}

const NEVER_MS = Number.NEGATIVE_INFINITY
const METHOD = 'server/discover'
const CLIENT_INFO = '{"name":"holdpoint","version":"1"}'

/** Statuses that come from what stands in front of a server, or pass by themselves. */
const saysNothing = (status: number) => [401, 403, 407, 408, 425, 429].includes(status) || status >= 500

/** "Recognised modern errors" (MCP 2026-07-28, Versioning): another version, headers, or capabilities. */
const modernErrors: ReadonlySet<string | null> = new Set(['-32020', '-32021', '-32022'])

/** Every result of 2026-07-28 says what kind it is, and this one which revisions the server speaks. */
const discovered = z.object({
  resultType: z.literal('complete').optional(),
  supportedVersions: z.array(z.string()).optional(),
})
const otherVersions = z.object({ data: z.object({ supported: z.array(z.string()) }) })

function saidBy(asked: Asked): boolean | null {
  if (asked.kind === 'fault' || saysNothing(asked.status)) return null
  if (asked.kind === 'none') return false
  if (!asked.isError) {
    const result = discovered.safeParse(parseJson(rawMember(asked.text, 'result') ?? ''))
    if (!result.success) return false
    const { resultType, supportedVersions } = result.data
    return supportedVersions?.includes(MODERN_REVISION) ?? resultType !== undefined
  }
  const error = rawMember(asked.text, 'error') ?? '{}'
  if (!error.startsWith('{') || !modernErrors.has(rawMember(error, 'code'))) return false
  const others = otherVersions.safeParse(parseJson(error))
  return !others.success || others.data.data.supported.includes(MODERN_REVISION)
}

/** A refusal that speaks of the method or the revision is about the server; any other may be about who asked. */
function isSaidToAll(said: boolean, asked: Asked): boolean {
  if (said) return true
  if (asked.kind !== 'answer') return false
  if (!asked.isError) return asked.status < 300
  const error = rawMember(asked.text, 'error') ?? '{}'
  return error.startsWith('{') && aboutTheServer.has(rawMember(error, 'code'))
}

/** "Method not found", and "another version". */
const aboutTheServer: ReadonlySet<string | null> = new Set(['-32601', '-32022'])
