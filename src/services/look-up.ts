/**
 * Reads what a rule wants people to see beside a request: when it was asked, when its arguments were changed, and after an end
 * that nobody knows. Level-triggered: what is still to be read stands in the record, and whoever is first writes it. Only tools
 * that the policy itself lets pass for this requester, and that are known to read. It allows nothing and keeps nobody waiting.
 */

import type { Approval, InstantMs } from '../domain/approval.ts'
import type { ApprovalId } from '../domain/approval-id.ts'
import { canonical, type JsonObject, type JsonValue, sha256 } from '../domain/canonical.ts'
import { LOOKUP_BYTES_MAX, LOOKUP_TEXT_MAX } from '../domain/limits.ts'
import {
  isTooLateToLook,
  type Lookup,
  type LookupCall,
  lookupArguments,
  readableText,
  wantsLookup,
} from '../domain/lookups.ts'
import type { RecordedLookUp } from '../domain/recorded-verdict.ts'
import { err, ok, type Result } from '../domain/result.ts'
import { stopOver } from '../domain/stop.ts'
import type { Timings } from '../domain/timings.ts'
import { beginning } from '../domain/well-formed.ts'
import type { Clock } from '../ports/clock.ts'
import type { Ledger } from '../ports/ledger.ts'
import type { Log } from '../ports/log.ts'
import type { Rules } from '../ports/rules.ts'
import type { Stops } from '../ports/stops.ts'
import type { AloneSession, Reply } from '../ports/upstream-session.ts'
import type { Change } from './change.ts'
import type { Judge } from './judge.ts'
import type { RecordVerdict } from './record-verdicts.ts'
import { argumentsOf } from './rejudge.ts'
import type { OpenAlone } from './resume.ts'
import { createTurns } from './turns.ts'

export type LookUp = (id: ApprovalId) => Promise<void>

/** A person waits for it, and decides without it if it takes longer. */
const SILENCE_MS = 5_000
/** With the handshake of a session of its own, also where the server keeps talking. */
const WHOLE_MS = 10_000
const PER_ROUND_MAX = 100
const REASON_LENGTH_MAX = 300
/** What fails this often in a process fails always: then that is noted, and the server is left alone. */
const TRIES_MAX = 3
/** Also noting it can fail. Afterwards it is left to others, or to this gateway's next start. */
const NOTES_MAX = 5
/** More than can be waiting at once: the oldest are forgotten, and tried again. */
const FAILED_KEPT_MAX = 1_000

/** Each may hold a child process or a connection: what helps people must not take them from what is asked for. */
const AT_ONCE_MAX = 4
/** In work and waiting for their turn; more come with the next rounds. */
const KNOWN_MAX = 200
const TOO_LONG = 'the server took too long'

type Found = Omit<Lookup, 'atMs'>
interface Read {
  readonly found: Found
  /** What still goes on after the time was over. */
  readonly unfinished: Promise<unknown> | null
}

export function createLookUp(deps: {
  ledger: Pick<Ledger, 'get'>
  change: Change
  judge: Judge
  rules: Pick<Rules, 'facts' | 'isAccepted'>
  stops: Pick<Stops, 'inForce'>
  openAlone: OpenAlone
  /** Of each call that goes to the server. */
  recordVerdict: RecordVerdict
  clock: Clock
  log: Log
}): LookUp {
  const { ledger, change, judge, rules, stops, openAlone, recordVerdict, clock, log } = deps
  const running = new Set<ApprovalId>()
  const inTurn = createTurns(AT_ONCE_MAX)
  /** How often, by what was to be read for. */
  const failed = new Map<string, number>()

  return async function lookUp(id) {
    if (running.has(id) || running.size >= KNOWN_MAX) return
    running.add(id)
    try {
      const approval = (await ledger.get(id))?.approval
      if (approval === undefined || !wantsLookup(approval)) return
      const { name, owner } = approval.asked.requester
      await inTurn(JSON.stringify([owner, name]), async () => {
        // Meanwhile others may have read it, and much may have happened.
        const reading = await ledger.get(id)
        if (reading !== null && wantsLookup(reading.approval)) await tryFor(reading.approval, reading.nowMs)
      })
    } finally {
      running.delete(id)
    }
  }

  async function tryFor(approval: Approval, nowMs: InstantMs): Promise<void> {
    const { id, status, proposed } = approval
    const what = `${id} ${status} ${proposed.digest}`
    const tries = failed.get(what) ?? 0
    if (tries >= TRIES_MAX + NOTES_MAX) return
    try {
      if (isTooLateToLook(approval, nowMs)) await noteUnread(approval, 'no gateway read it in time')
      else if (tries < TRIES_MAX) await readFor(approval)
      else await noteUnread(approval, 'the gateway could not read it')
      failed.delete(what)
    } catch (error) {
      failed.delete(what)
      failed.set(what, tries + 1)
      const [oldest = what] = failed.keys()
      if (failed.size > FAILED_KEPT_MAX) failed.delete(oldest)
      throw error
    }
  }

  async function noteUnread({ id, asking, proposed }: Approval, reason: string): Promise<void> {
    const lookups = asking.lookups.map((call) => notRead(call, reason))
    await change(id, { kind: 'look_up', digest: proposed.digest, lookups })
  }

  async function readFor(approval: Approval): Promise<void> {
    const { id, asking, proposed } = approval
    const session = openAlone(approval)
    // Another gateway has this server.
    if (session === null) return
    let inFlight: Promise<unknown> = Promise.resolve()
    try {
      const lookups: Found[] = []
      let isLate = false
      // One after the other: they share a session, which knows one tool at a time. A server that was too slow is not asked on.
      for (const call of asking.lookups) {
        const read = isLate ? null : await one(approval, call, session)
        lookups.push(read?.found ?? notRead(call, TOO_LONG))
        if (read === null || read.unfinished === null) continue
        isLate = true
        inFlight = read.unfinished
      }
      // Whoever has changed the arguments meanwhile, or was first, is right.
      await change(id, { kind: 'look_up', digest: proposed.digest, lookups })
    } finally {
      // Not awaited: a server that does not answer must not hold up the next one. And not before what is in flight has ended,
      // which may be the opening of the very session.
      inFlight
        .catch(() => {})
        .then(() => session.close())
        .catch((error: unknown) => log.warn({ err: error, approval: id }, 'a session stays open'))
    }
  }

  async function one(approval: Approval, call: LookupCall, session: AloneSession): Promise<Read> {
    const { label, tool } = call
    const nothing = (reason: string, args: string | null = null): Read => ({
      found: notRead(call, reason, args),
      unfinished: null,
    })
    const filled = lookupArguments(call, argumentsOf(approval.proposed))
    if (!filled.ok) return nothing(filled.error)
    const [patience, leaving] = [new AbortController(), new AbortController()]
    try {
      const allowed = await allowedBy(approval, tool, filled.value)
      if (!allowed.ok) return nothing(allowed.error)
      const args = canonical(filled.value)
      const late = clock.sleep(WHOLE_MS, patience.signal).then(() => null)
      const done = recording(approval, tool, filled.value, allowed.value)
      const reading = readOn(session, approval.asked.server, tool, filled.value, leaving.signal)
      const read = await Promise.race([reading, late]).catch((error: unknown) => {
        done('none')
        throw error
      })
      done(read === null || typeof read === 'string' ? 'none' : read.isError ? 'tool_error' : 'answered')
      if (read === null) return { found: notRead(call, TOO_LONG, args), unfinished: reading }
      if (typeof read === 'string') return nothing(read, args)
      return { found: { label, tool, arguments: args, found: foundOf(read) }, unfinished: null }
    } catch (error) {
      log.warn({ err: error, approval: approval.id, tool }, 'evidence could not be read')
      return nothing('the gateway could not read it')
    } finally {
      patience.abort()
      leaving.abort()
    }
  }

  /** @returns the number of the revision that lets it pass, or why it must not be called */
  async function allowedBy(
    { asked }: Approval,
    tool: string,
    args: JsonValue,
  ): Promise<Result<number, string>> {
    const { server, requester: principal, session = null } = asked
    if (stopOver(await stops.inForce(), { server, tool, principal }) !== null) return err('it is stopped')
    if (rules.facts?.(server, tool).category !== 'read') return err(`${tool} is not known to only read`)
    const nowMs = clock.wallMs()
    const judged = await judge({ server, tool, principal, arguments: args, session, nowMs })
    if (judged?.verdict.kind !== 'allow') return err(`the policy does not allow ${tool}`)
    // Nothing is counted for it, so what is counted is left alone.
    if (judged.verdict.reservations.length > 0) return err(`${tool} has a limit of its own`)
    return ok(judged.revision)
  }

  /** Takes down, in the decision log, that the server was asked: by whose account, for whom, and what came of it. */
  function recording({ id, asked, asking }: Approval, tool: string, args: JsonObject, revision: number) {
    const { server, requester: principal, session = null } = asked
    const [atMs, begunMs] = [clock.wallMs(), clock.monotonicMs()]
    return (outcome: RecordedLookUp['outcome']): void =>
      recordVerdict({
        ...{ server, tool, principal, session, revision, atMs, asIf: null, judgedInMs: 0 },
        ...{ params: { name: tool, arguments: args }, verdict: 'look_up', rule: asking.rule },
        lookUp: { approval: id, outcome, tookMs: Math.round(clock.monotonicMs() - begunMs) },
      })
  }

  /** @returns why there is none, where there is no answer */
  async function readOn(
    session: AloneSession,
    server: string,
    tool: string,
    args: JsonObject,
    leaving: AbortSignal,
  ): Promise<Reply | string> {
    const described = await session.describe(tool, leaving)
    if (leaving.aborted) return TOO_LONG
    if (described.kind === 'unlisted') return 'the server does not offer this tool'
    if (described.kind === 'unavailable') return described.reason
    // What is known of the tool is known of the accepted definition, and this is what would be called.
    if (rules.isAccepted?.(server, tool, described.definition.digest) === false)
      return `the server describes ${tool} in another way than when it was accepted`
    const read = await session.read({
      canonicalParams: canonical({ name: tool, arguments: args }),
      answerBytesMax: LOOKUP_BYTES_MAX,
      silenceMs: SILENCE_MS,
      leaving,
    })
    return read.ok ? read.value : read.error
  }
}

const notRead = ({ label, tool }: LookupCall, reason: string, args: string | null = null): Found => ({
  ...{ label, tool, arguments: args },
  found: { kind: 'none', reason: beginning(reason, REASON_LENGTH_MAX) },
})

function foundOf({ kind, text, isError }: Reply): Lookup['found'] {
  const readable = kind === 'error' ? text : readableText(text)
  return {
    kind: 'answer',
    isError,
    text: beginning(readable, LOOKUP_TEXT_MAX),
    isCut: readable.length > LOOKUP_TEXT_MAX,
    bytes: Buffer.byteLength(text),
    digest: sha256(text),
  }
}

/** Reads whatever nobody has read, until `stopping` aborts; never rejects. */
export async function keepLookingUp(deps: {
  ledger: Pick<Ledger, 'lookupsWanted'>
  lookUp: LookUp
  /** That this gateway has: others read for theirs. */
  servers: readonly string[]
  clock: Clock
  timings: Timings
  stopping: AbortSignal
  log: Log
}): Promise<void> {
  const { ledger, lookUp, servers, clock, timings, stopping, log } = deps
  while (!stopping.aborted) {
    try {
      for (const id of await ledger.lookupsWanted(servers, PER_ROUND_MAX)) {
        lookUp(id).catch((error: unknown) =>
          log.warn({ err: error, approval: id }, 'evidence could not be read'),
        )
      }
    } catch (error) {
      log.warn({ err: error }, 'what has to be read could not be looked for; the next round follows')
    }
    await clock.sleep(timings.loopMs, stopping)
  }
}
