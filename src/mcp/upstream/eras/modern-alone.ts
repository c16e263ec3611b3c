/**
 * Whether a URL that speaks MCP 2026-07-28 refuses the handshake. A refused `initialize` of a client proves nothing: its headers
 * or parameters may be what is wrong. So the gateway shakes hands itself, in a session that it closes again. Found for each
 * principal, because a server may refuse an account, and not for ever.
 */
import type { Principal } from '../../../domain/principal.ts'
import type { Clock } from '../../../ports/clock.ts'
import type { Log } from '../../../ports/log.ts'
import { newOwnId } from '../../own-id.ts'
import { rawMember } from '../../raw-json.ts'
import { type Asked, ask } from '../ask.ts'
import { closeSession } from '../fresh-session.ts'
import { parseJson, peek } from '../peek.ts'
import { createPerPrincipal } from '../per-principal.ts'
import { anyTime, type Upstream } from '../wire.ts'
import { initializedSchema, OFFERED_REVISION } from './legacy-sessions.ts'
import { DOUBT_MS, LOOK_AGAIN_MS } from './speaks-modern.ts'

/** A server that knows the handshake answers it at once; who needs longer has not refused it. */
const ANSWER_MS = 10_000
const ANSWER_BYTES_MAX = 1024 * 1024

export interface ModernAlone {
  /** As it was found not long ago. */
  isSo(principal: Principal): boolean
  /** Asks the server, which is known to speak 2026-07-28. Never throws. */
  find(principal: Principal): Promise<boolean>
  /** It did not answer as such a server does. */
  forget(principal: Principal): void
  /** A client has shaken hands with it. */
  noteHandshake(): void
  /** Whether anybody ever has. */
  hasHandshake(): boolean
}

/** @param upstream speaks the words of the handshake */
export function createModernAlone(
  upstream: Upstream,
  clock: Pick<Clock, 'monotonicMs'>,
  log: Log,
): ModernAlone {
  const { server } = upstream
  const found = createPerPrincipal<{ readonly isAlone: boolean; readonly atMs: number }>()
  const finding = createPerPrincipal<Promise<boolean>>()

  let hasHandshake = false

  function isSo(principal: Principal): boolean {
    const last = found.get(principal)
    return last?.isAlone === true && clock.monotonicMs() - last.atMs < LOOK_AGAIN_MS
  }

  async function find(principal: Principal): Promise<boolean> {
    const last = found.get(principal)
    // A client whose handshakes are all refused does not make the server a session for each.
    if (last?.isAlone === false && clock.monotonicMs() - last.atMs < DOUBT_MS) return false
    const running = finding.get(principal)
    if (running !== undefined) return running
    const own = findNow(principal).finally(() => finding.delete(principal))
    finding.set(principal, own)
    return own
  }

  async function findNow(principal: Principal): Promise<boolean> {
    const asked = await shakeHands(principal)
    if (asked.kind === 'answer' && !asked.isError && asked.status < 300) hasHandshake = true
    const isAlone = refuses(asked)
    if (isAlone && found.get(principal)?.isAlone !== true)
      log.info(
        { server, agent: principal.name },
        'the server speaks MCP 2026-07-28 alone; clients with a handshake are translated for',
      )
    found.set(principal, { isAlone, atMs: clock.monotonicMs() })
    return isAlone
  }

  async function shakeHands(principal: Principal): Promise<Asked> {
    const id = newOwnId()
    const asked = await ask({
      upstream,
      principal,
      headers: {},
      id,
      body: JSON.stringify({
        jsonrpc: '2.0',
        id,
        method: 'initialize',
        params: {
          protocolVersion: OFFERED_REVISION,
          capabilities: {},
          clientInfo: { name: 'holdpoint', version: '1' },
        },
      }),
      freshConnection: false,
      mayStart: anyTime,
      answerBytesMax: ANSWER_BYTES_MAX,
      silenceMs: ANSWER_MS,
      onMessage: () => {},
    })
    const sessionId = asked.kind === 'answer' ? asked.headers['mcp-session-id'] : undefined
    if (asked.kind === 'answer' && sessionId !== undefined) {
      const agreed = initializedSchema.safeParse(parseJson(rawMember(asked.text, 'result') ?? ''))
      void closeSession(upstream, principal, {
        'mcp-session-id': sessionId,
        'mcp-protocol-version': agreed.success ? agreed.data.protocolVersion : OFFERED_REVISION,
      })
    }
    return asked
  }

  return {
    isSo,
    find,
    forget: (principal) => found.delete(principal),
    noteHandshake() {
      hasHandshake = true
    },
    hasHandshake: () => hasHandshake,
  }
}

function refuses(asked: Asked): boolean {
  if (asked.kind === 'fault') return false
  if (asked.status >= 300) return refusesHandshake.has(asked.status)
  return asked.kind === 'answer' && asked.isError
}

/** Statuses under which a server that knows no handshake can refuse one; the others say nothing about that. */
const refusesHandshake: ReadonlySet<number> = new Set([400, 404, 405, 406, 415, 422, 501])

/** Without a session, and with an error instead of a result. */
export function isRefused({
  status,
  text,
}: {
  readonly status: number
  readonly text: string | null
}): boolean {
  if (status >= 300) return refusesHandshake.has(status)
  return text !== null && peek(text).kind === 'response' && rawMember(text, 'result') === null
}
