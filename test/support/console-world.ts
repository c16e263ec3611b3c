/** The console over memory: real services, sessions and pages, a ledger in a map, a clock that tests move, three people. */
import { issueLinkCode } from '../../src/auth/link-code.ts'
import { createSessions } from '../../src/auth/sessions.ts'
import { createConsole } from '../../src/console/console.tsx'
import { formToken } from '../../src/console/guard.ts'
import { type Approval, recomputedDigest } from '../../src/domain/approval.ts'
import type { ApprovalId } from '../../src/domain/approval-id.ts'
import { auditEvent, CHAIN_START } from '../../src/domain/audit.ts'
import { type JsonObject, sha256 } from '../../src/domain/canonical.ts'
import { nothingLookedUp } from '../../src/domain/lookups.ts'
import type { ApproverChain } from '../../src/domain/policy.ts'
import type { Person, Principal } from '../../src/domain/principal.ts'
import type { Risk } from '../../src/domain/risk.ts'
import { defaultTimings } from '../../src/domain/timings.ts'
import { canonicalParams } from '../../src/domain/tool-call.ts'
import { clock as realClock } from '../../src/launch/clock.ts'
import { silentLog } from '../../src/launch/log.ts'
import type { Accounts } from '../../src/ports/accounts.ts'
import { createChange } from '../../src/services/change.ts'
import type { SetUps } from '../../src/services/set-up.ts'
import { createStopChanges } from '../../src/services/stop-changes.ts'
import { createStopsInForce } from '../../src/services/stops-in-force.ts'
import type { ToolReviews } from '../../src/services/tool-reviews.ts'
import { agent, anApproval, mina, owner, sora } from './builders.ts'
import { memoryIdentities } from './memory-identities.ts'
import { memoryOutcomes } from './memory-outcomes.ts'
import { noSetUps, noToolReviews } from './set-ups.ts'
import { aGateway, aWorld } from './world.ts'

export const guest: Person = { id: 'guest', name: 'Guest', groups: [] }
const people = new Map([mina, owner, sora, guest].map((person) => [person.id, person]))
export const START_MS = Date.UTC(2026, 7, 1, 9, 0, 0)
export const HOST = '127.0.0.1:8484'

export interface Wish {
  readonly tool?: string
  readonly title?: string | null
  readonly args?: JsonObject
  readonly risk?: Risk
  readonly server?: string
  readonly requester?: Principal
  readonly approvers?: ApproverChain
  readonly reason?: string | null
  readonly client?: string | null
  readonly decisionMs?: number
  readonly asking?: Partial<Approval['asking']>
}

export async function aConsole(
  options: { publicUrl?: string; accounts?: Accounts; setUps?: SetUps; toolReviews?: ToolReviews } = {},
) {
  const world = aWorld(START_MS)
  const { ledger, wakeUps } = world
  const gateway = await aGateway(world)
  const clock = { nowMs: START_MS }
  const inForce = createStopsInForce({ stops: ledger.stops, clock: realClock, log: silentLog })
  const identities = memoryIdentities(clock)
  const directory = { person: (id: string) => people.get(id) ?? null, people: () => [...people.values()] }
  const sessions = createSessions({ identities, directory })
  /** What the console's own reading of the ledger meets. */
  const faults = { next: null as Error | null, forge: (approval: Approval): Approval => approval }
  const app = createConsole({
    ledger: {
      ...ledger,
      async get(id) {
        if (faults.next !== null) throw faults.next
        const reading = await ledger.get(id)
        return reading === null ? null : { ...reading, approval: faults.forge(reading.approval) }
      },
    },
    people: gateway.people,
    outcomes: memoryOutcomes(ledger),
    timings: defaultTimings,
    sessions,
    wakeUps,
    board: { fetch: () => new Response('the board') },
    accounts: options.accounts ?? null,
    stops: createStopChanges({
      ...{ stops: ledger.stops, inForce, cancelStopped: gateway.cancelStopped, log: silentLog },
      ...{ servers: ['github'], isKnownAgent: () => true, isOperator: ({ id }) => id === 'mina' },
    }),
    inForce,
    grants: gateway.grants,
    setUps: options.setUps ?? noSetUps,
    toolReviews: options.toolReviews ?? noToolReviews,
    isApprover: ({ groups }) => groups.includes('ops'),
    publicUrl: options.publicUrl === undefined ? null : new URL(options.publicUrl),
    clock: { monotonicMs: () => clock.nowMs },
    stopping: gateway.stop.signal,
    log: silentLog,
  })

  return {
    app,
    gateway,
    ledger,
    wakeUps,
    identities,
    putInForce: world.putInForce,
    faults,
    /** Moves every clock. */
    advance(ms: number) {
      clock.nowMs += ms
      ledger.advance(ms)
    },
    /** Of an approved call: claimed, and then nobody knows. */
    async loseTrack(id: ApprovalId) {
      const change = createChange({
        ledger,
        announce: async () => {},
        timings: defaultTimings,
        log: silentLog,
      })
      await change(id, { kind: 'claim', node: 'gateway-1' })
      await change(id, { kind: 'lose_track', reason: 'the gateway died while it was sending this call' })
    },
    codeOf: (person: Person) => issueLinkCode(identities, person.id),
    /** What a signed-in browser holds. */
    async sessionOf(person: Person) {
      const session = await sessions.signIn(await issueLinkCode(identities, person.id))
      if (session === null) throw new Error('not signed in')
      return { token: session.token, cookie: `holdpoint=${session.token}`, form: formToken(session.token) }
    },
    /** A call that waits for a decision. */
    async add(wish: Wish = {}): Promise<Approval> {
      const { tool = 'delete_repository', args = { name: 'acme/shop' }, requester = agent } = wish
      const nowMs = await ledger.nowMs()
      const { approval } = anApproval({
        nowMs,
        decisionMs: wish.decisionMs ?? defaultTimings.decisionMs,
        call: { tool, arguments: args, canonicalParams: canonicalParams(tool, args, {}) },
      })
      const { asked, asking, proposed } = approval
      const record = {
        ...approval,
        auditHead: CHAIN_START,
        asked: {
          ...asked,
          requester,
          attachKey: sha256(approval.id),
          server: wish.server ?? 'github',
          client: wish.client === undefined ? 'claude-code 2.1.0' : wish.client,
        },
        asking: {
          ...asking,
          rule: 'policies/github.json#/tools/delete_repository',
          reason: wish.reason === undefined ? 'removes what cannot be brought back' : wish.reason,
          risk: wish.risk ?? asking.risk,
          approvers: wish.approvers ?? asking.approvers,
          ...wish.asking,
        },
        proposed: { ...proposed, toolTitle: wish.title ?? null },
      }
      const whole = {
        ...record,
        lookups: nothingLookedUp(record.asking),
        proposed: { ...record.proposed, digest: recomputedDigest(record) },
      }
      const audit = auditEvent(CHAIN_START, { kind: 'ask' }, whole, nowMs)
      const added = { ...whole, auditHead: audit.hash }
      await ledger.create({ approval: added, audit, pendingPerPrincipalMax: 1_000 })
      await wakeUps.announce(added.id)
      return added
    },
  }
}
export type ConsoleWorld = Awaited<ReturnType<typeof aConsole>>
