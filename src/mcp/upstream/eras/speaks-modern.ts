/**
 * Whether a URL speaks MCP 2026-07-28: it is asked `server/discover`, the one request that every such server answers. Asked when
 * a request first needs to know, never before an approved call is sent, and never at the start of the gateway.
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
import { anyTime, type Upstream, UpstreamFault } from '../wire.ts'
import { envelopeOf } from './words.ts'

/** Whoever needs longer to say what it speaks is treated as before, and asked again later. */
const ANSWER_MS = 10_000
const ANSWER_BYTES_MAX = 1024 * 1024
/** An answer that said nothing about this: refused credentials, a server that is overloaded. */
const UNCLEAR_MS = 30_000
/** A server is replaced by a newer one once in a while; requests do not wait for this. */
const LOOK_AGAIN_MS = 10 * 60_000
/** A client whose requests are all refused does not double the traffic. */
const DOUBT_MS = 5_000

export interface SpeaksModern {
  /**
   * `null`: it did not say. @param mayAsk where it may take time to find out
   * @throws UpstreamFault when it cannot be reached
   */
  isSo(principal: Principal, mayAsk: boolean): Promise<boolean | null>
  /** It refused what it should have understood. */
  doubt(): void
}

export function createSpeaksModern(
  upstream: Upstream,
  clock: Pick<Clock, 'monotonicMs'>,
  log: Log,
): SpeaksModern {
  const { server } = upstream
  let known: boolean | null = null
  let askedMs: number | null = null
  let isDoubted = false
  let asking: Promise<boolean | null> | null = null

  async function isSo(principal: Principal, mayAsk: boolean): Promise<boolean | null> {
    const ageMs = askedMs === null ? Number.POSITIVE_INFINITY : clock.monotonicMs() - askedMs
    if (!mayAsk) return known
    if (known === null) return ageMs < UNCLEAR_MS ? null : find(principal)
    if (isDoubted && ageMs >= DOUBT_MS) return find(principal)
    if (!known && ageMs >= LOOK_AGAIN_MS) {
      find(principal).catch((error: unknown) =>
        log.debug({ server, err: error }, 'its era could not be asked again'),
      )
    }
    return known
  }

  function find(principal: Principal): Promise<boolean | null> {
    asking ??= askIt(principal).finally(() => {
      asking = null
    })
    return asking
  }

  async function askIt(principal: Principal): Promise<boolean | null> {
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
    askedMs = clock.monotonicMs()
    if (said === null) return known
    if (known !== said) log.info({ server, modern: said }, 'found out whether a server speaks MCP 2026-07-28')
    known = said
    isDoubted = false
    return said
  }

  return {
    isSo,
    doubt() {
      isDoubted = true
    },
  }
}

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
