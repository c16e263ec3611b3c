/** What a legacy server says and asks on no request's own stream, and who of its modern clients gets it. */
import { rawMember } from '../../raw-json.ts'
import { peek } from '../peek.ts'
import type { LegacySession, RunningRequest } from './legacy-sessions.ts'

/** What a server wants to know of its own accord: the roots, once. */
const UNASKED_MAX = 20
/** The SDKs wait this long for an answer. */
const UNASKED_MS = 60_000
const NOT_ASKABLE = '{"code":-32601,"message":"Nobody can be asked at this moment."}'

/** What came on no request's own stream: questions go to the oldest request that runs, logs to the newest, the rest to who listens. */
export function hand(session: LegacySession, message: string, nowMs: number): void {
  const peeked = peek(message)
  if (peeked.kind === 'notification') {
    for (const listener of session.listeners) listener.hear(message)
    // It does not say which request it is about; the newest is the likeliest.
    if (peeked.method === 'notifications/message') [...session.running].at(-1)?.inbox.put(message)
  }
  if (peeked.kind !== 'request') return
  const oldest = [...session.running].find(({ isAskable }) => isAskable)
  if (oldest !== undefined) oldest.inbox.put(message)
  else if (session.unasked.length < UNASKED_MAX) session.unasked.push({ message, atMs: nowMs })
  else refuse(session, message)
}

/** A request has begun that can carry what was asked before it. */
export function handUnasked(session: LegacySession, { inbox }: RunningRequest, nowMs: number): void {
  for (const { message, atMs } of session.unasked.splice(0)) {
    if (nowMs - atMs < UNASKED_MS) inbox.put(message)
    else refuse(session, message)
  }
}

/** Says to the upstream that its question cannot be asked. */
export function refuse(session: LegacySession, question: string): void {
  const rawId = rawMember(question, 'id') ?? 'null'
  void session.tell(`{"jsonrpc":"2.0","id":${rawId},"error":${NOT_ASKABLE}}`)
}
