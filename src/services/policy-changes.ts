/** What people do with the policies of servers: look at every revision, see what another text would do, put it in force, bring one back. */
import type { Approval } from '../domain/approval.ts'
import type { ApprovalId } from '../domain/approval-id.ts'
import { judgementOf } from '../domain/judgement.ts'
import type { ApproverChain, Verdict } from '../domain/policy.ts'
import type { Person } from '../domain/principal.ts'
import { err, ok, type Result } from '../domain/result.ts'
import {
  approversDigest,
  type NewRevision,
  putByText,
  type Revision,
  type RevisionHead,
  textDigest,
} from '../domain/revision.ts'
import type { Simulation } from '../domain/simulation.ts'
import type { Ledger } from '../ports/ledger.ts'
import type { Log } from '../ports/log.ts'
import type { Revisions } from '../ports/revisions.ts'
import type { ReadPolicy, ServerRules } from '../ports/rules.ts'
import type { Judged, ToJudge } from './judge.ts'
import { argumentsOf } from './rejudge.ts'
import type { Simulate } from './simulate.ts'

export type PolicyRefusal =
  | { readonly reason: 'no_such_server'; readonly servers: readonly string[] }
  | { readonly reason: 'no_such_revision'; readonly server: string; readonly number: number }
  | { readonly reason: 'not_an_operator' }
  | { readonly reason: 'unreadable'; readonly problem: string }
  /** Somebody would be asked for yeses that there are not enough people for. */
  | { readonly reason: 'undecidable'; readonly problem: string }
  /** Another revision came into force since the effect was looked at. */
  | { readonly reason: 'moved_on'; readonly inForce: RevisionHead | null }
  | { readonly reason: 'already_in_force'; readonly number: number }

/** What becomes of one open call. `no_longer_asked`: the text allows it, but people were asked already, so it stays. */
export interface Effect {
  readonly id: ApprovalId
  readonly tool: string
  readonly requester: string
  readonly status: 'pending' | 'approved'
  readonly becomes: 'kept' | 'no_longer_asked' | 'asked_again' | 'forbidden'
  /** In words, where it does not stay as it is. */
  readonly why: string | null
}

export interface Preview {
  /** The number in force that the effect was worked out against; `null`: none yet. */
  readonly inForce: number | null
  readonly effects: readonly Effect[]
  /** There are more open calls than were looked at. */
  readonly isMore: boolean
  /** What it would have said about the calls of the last seven days; `null`: the decision log cannot be read. */
  readonly recent: Simulation | null
}

/** What comes into force: a text, or an earlier revision as a whole, its approvers included. */
export type Wish =
  | { readonly kind: 'text'; readonly source: string; readonly text: string }
  /** `null`: the one before the one in force. */
  | { readonly kind: 'rollback'; readonly number: number | null }

export interface PolicyChanges {
  history(
    server: string,
    limit: number,
    before: number | null,
  ): Promise<Result<readonly RevisionHead[], PolicyRefusal>>
  /** `null`: the one in force. */
  show(server: string, number: number | null): Promise<Result<Revision, PolicyRefusal>>
  preview(server: string, wish: Wish): Promise<Result<Preview, PolicyRefusal>>
  /** What it would have said about calls of the past. @param spanMs how far back */
  simulate(server: string, wish: Wish, spanMs: number): Promise<Result<Simulation, PolicyRefusal>>
  /** @param inForce the number that the person has seen in force; another one refuses */
  put(
    server: string,
    wish: Wish,
    inForce: number | null,
    person: Person,
  ): Promise<Result<{ number: number }, PolicyRefusal>>
}

/** Open calls that a preview looks at; with more, the beginning says enough. */
const LOOKED_AT_MAX = 1_000
const PAGE = 200
const RECENT_MS = 7 * 24 * 60 * 60 * 1000

export function createPolicyChanges(deps: {
  ledger: Pick<Ledger, 'list' | 'nowMs'>
  revisions: Revisions
  readPolicy: ReadPolicy
  judgeBy: (rules: ServerRules, call: ToJudge) => Promise<Judged>
  simulate: Simulate
  servers: readonly string[]
  /** Whom the configuration names for a server that has no revision yet, and which file says so. */
  usualApprovers(server: string): { approvers: ApproverChain; origin: string } | null
  /** Which calls nobody could ever decide under these rules, in words; `null`: none. */
  undecidable(server: string, rules: Pick<ServerRules, 'policy' | 'approvers'>): string | null
  isOperator: (person: Person) => boolean
  log: Log
}): PolicyChanges {
  const { ledger, revisions, readPolicy, judgeBy, simulate, servers, usualApprovers, isOperator, log } = deps
  const { undecidable } = deps

  async function known(server: string): Promise<Result<Revision | null, PolicyRefusal>> {
    const inForce = await revisions.inForceOf(server)
    // Servers of other gateways count as known once something was in force for them.
    return inForce === null && !servers.includes(server)
      ? err({ reason: 'no_such_server', servers })
      : ok(inForce)
  }

  async function wished(
    server: string,
    wish: Wish,
    inForce: Revision | null,
  ): Promise<Result<Omit<NewRevision, 'putBy'> & { restores: number | null }, PolicyRefusal>> {
    const origins = { textOrigin: null, approversOrigin: null }
    if (wish.kind === 'rollback') {
      const number = wish.number ?? (inForce?.number ?? 1) - 1
      const earlier = await revisions.get(server, number)
      if (earlier === null) return err({ reason: 'no_such_revision', server, number })
      const { source, text, approvers } = earlier
      return ok({ server, source, text, approvers, ...origins, restores: number })
    }
    const { source, text } = wish
    const usual = usualApprovers(server)
    const nobody: ApproverChain = { groups: [], people: [], selfConfirm: false }
    const approvers = inForce?.approvers ?? usual?.approvers ?? nobody
    const approversOrigin = inForce === null ? (usual?.origin ?? null) : inForce.approversOrigin
    return ok({ server, source, text, approvers, textOrigin: null, approversOrigin, restores: null })
  }

  return {
    async history(server, limit, before) {
      const found = await known(server)
      return found.ok ? ok(await revisions.history(server, limit, before)) : found
    },

    async show(server, number) {
      const found = await known(server)
      if (!found.ok) return found
      const revision = number === null ? found.value : await revisions.get(server, number)
      return revision === null
        ? err({ reason: 'no_such_revision', server, number: number ?? 1 })
        : ok(revision)
    },

    async preview(server, wish) {
      const found = await known(server)
      if (!found.ok) return found
      const next = await wished(server, wish, found.value)
      if (!next.ok) return next
      const rules = decidableRulesOf(next.value, found.value)
      if (!rules.ok) return rules
      const open = await openCalls(server)
      const nowMs = await ledger.nowMs()
      const effects: Effect[] = []
      for (const approval of open.slice(0, LOOKED_AT_MAX)) {
        effects.push(...(await effectOn(approval, rules.value, nowMs)))
      }
      const recent = await recentEffect(server, rules.value)
      return ok({
        ...{ inForce: found.value?.number ?? null, effects, recent },
        isMore: open.length > LOOKED_AT_MAX,
      })
    },

    async simulate(server, wish, spanMs) {
      const found = await known(server)
      if (!found.ok) return found
      const next = await wished(server, wish, found.value)
      if (!next.ok) return next
      const rules = rulesOf(next.value, found.value)
      return rules.ok ? ok(await simulate(server, rules.value, spanMs)) : rules
    },

    async put(server, wish, inForce, person) {
      if (!isOperator(person)) {
        log.warn({ server, person: person.id }, 'a person who is no operator tried to change a policy')
        return err({ reason: 'not_an_operator' })
      }
      const found = await known(server)
      if (!found.ok) return found
      if ((found.value?.number ?? null) !== inForce) return movedOn(server)
      const next = await wished(server, wish, found.value)
      if (!next.ok) return next
      const rules = decidableRulesOf(next.value, found.value)
      if (!rules.ok) return rules
      const { restores, ...revision } = next.value
      if (found.value !== null && isSame(revision, found.value)) {
        return err({ reason: 'already_in_force', number: found.value.number })
      }
      const putBy = { kind: 'person', person: person.id, restores } as const
      const number = await revisions.putInForce({ ...revision, putBy }, inForce)
      if (number === null) return movedOn(server)
      log.info(
        { server, revision: number, source: revision.source, by: putByText(putBy) },
        'a person put a policy in force',
      )
      return ok({ number })
    },
  }

  /** Nobody is kept from changing a policy because there is no log to try it on. */
  async function recentEffect(server: string, rules: ServerRules): Promise<Simulation | null> {
    try {
      return await simulate(server, rules, RECENT_MS)
    } catch (error) {
      log.warn({ err: error, server }, 'a policy could not be tried on the calls of the last days')
      return null
    }
  }

  /** Rules that may come into force: as at a start, calls that would only ever expire are a fault of the policy. */
  function decidableRulesOf(
    next: Pick<NewRevision, 'server' | 'source' | 'text' | 'approvers'>,
    inForce: Revision | null,
  ): Result<ServerRules, PolicyRefusal> {
    const rules = rulesOf(next, inForce)
    const problem = rules.ok ? undecidable(next.server, rules.value) : null
    return problem === null ? rules : err({ reason: 'undecidable', problem })
  }

  function rulesOf(
    { source, text, approvers }: Pick<NewRevision, 'source' | 'text' | 'approvers'>,
    inForce: Revision | null,
  ): Result<ServerRules, PolicyRefusal> {
    const policy = readPolicy(source, text)
    if (!policy.ok) return err({ reason: 'unreadable', problem: policy.error })
    return ok({ policy: policy.value, approvers, revision: (inForce?.number ?? 0) + 1 })
  }

  async function movedOn(server: string): Promise<Result<never, PolicyRefusal>> {
    const [inForce = null] = await revisions.history(server, 1, null)
    return err({ reason: 'moved_on', inForce })
  }

  /** One more than is looked at, where there are as many. */
  async function openCalls(server: string): Promise<readonly Approval[]> {
    const open: Approval[] = []
    let after: ApprovalId | null = null
    while (open.length <= LOOKED_AT_MAX) {
      const page: readonly Approval[] = await ledger.list({
        ...{ statuses: ['pending', 'approved'], principal: null, limit: PAGE, after },
      })
      open.push(...page.filter(({ asked }) => asked.server === server))
      after = page.at(-1)?.id ?? null
      if (page.length < PAGE) break
    }
    return open
  }

  async function effectOn(approval: Approval, rules: ServerRules, nowMs: number): Promise<Effect[]> {
    const { id, status, asked, asking, proposed } = approval
    if (status !== 'pending' && status !== 'approved') return []
    const { server, tool, requester: principal, session = null } = asked
    const args = argumentsOf(proposed)
    const { verdict, approvers } = await judgeBy(rules, {
      ...{ server, tool, principal, arguments: args, session, nowMs },
    })
    const call = { id, tool, requester: principal.name, status }
    return [{ ...call, ...becomes(verdict, asking, approvers) }]
  }
}

const isSame = (a: Said, b: Said) =>
  textDigest(a.text) === textDigest(b.text) && approversDigest(a.approvers) === approversDigest(b.approvers)

type Said = Pick<NewRevision, 'text' | 'approvers'>

function becomes(
  verdict: Verdict,
  asking: Approval['asking'],
  approvers: ApproverChain,
): Pick<Effect, 'becomes' | 'why'> {
  const judgement = judgementOf(asking, verdict, approvers)
  switch (judgement.kind) {
    case 'keeps':
      return { becomes: verdict.kind === 'allow' ? 'no_longer_asked' : 'kept', why: null }
    case 'asks_anew':
      return { becomes: 'asked_again', why: judgement.difference }
    case 'forbids':
      return { becomes: 'forbidden', why: judgement.change }
  }
}
