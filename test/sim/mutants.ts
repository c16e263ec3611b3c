/**
 * Designs that look right and are not. Each changes a port or a service of every gateway and leaves all else as it is;
 * the checker must catch every one. A checker that cannot fail proves nothing.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { type Approval, type Approved, headerOf, recomputedDigest } from '../../src/domain/approval.ts'
import type { ApprovalId } from '../../src/domain/approval-id.ts'
import { auditEvent } from '../../src/domain/audit.ts'
import { decisionIn } from '../../src/domain/grant.ts'
import { yesesWanted } from '../../src/domain/quorum.ts'
import { transition } from '../../src/domain/transition.ts'
import type { ServicesDeps } from '../../src/launch/services.ts'
import type { Ledger } from '../../src/ports/ledger.ts'
import {
  brokenIsNotSent,
  claimAfterSend,
  executing,
  newestAnswer,
  sendsAgain,
  stalledMeansAgain,
  timeoutApproves,
  withChanged,
} from '../support/broken-designs.ts'
import type { Mutant, MutantWorld } from './actors.ts'
import { alone, calling } from './world.ts'

const withLedger = (change: (ledger: Ledger) => Partial<Ledger>): NonNullable<Mutant['ports']> =>
  function withChangedLedger(deps): ServicesDeps {
    return { ...deps, ledger: withChanged(deps.ledger, change(deps.ledger)) }
  }

/** Writes `next` over whatever is there, as an UPDATE without the version would. */
async function overwrite(
  ledger: Ledger,
  { previous, ...change }: Parameters<Ledger['save']>[0],
): Promise<boolean> {
  const now = await ledger.get(previous.id)
  if (now === null) return false
  return ledger.save({ ...change, previous: now.approval, deadline: { kind: 'none' } })
}

/** Writes whatever was judged, by whichever revision. */
const unguardedByRevision = withLedger((ledger) => ({
  save: ({ inForce: _inForce, ...change }) => ledger.save(change),
}))

export const mutants: readonly Mutant[] = [
  {
    name: 'the write is not guarded by the version',
    ports: withLedger((ledger) => ({ save: (change) => overwrite(ledger, change) })),
  },
  {
    name: 'the deadline is not in the statement',
    ports: withLedger((ledger) => ({
      save: (change) => ledger.save({ ...change, deadline: { kind: 'none' } }),
    })),
  },
  {
    name: 'what is stopped is asked for at the gate only',
    ports(deps, world) {
      world.ledger.stops.over = () => null
      return { ...deps, stops: { ...deps.stops, inForce: async () => [] } }
    },
  },
  {
    name: 'the claim is not saved: a job lock is thought to be enough',
    ports: withLedger((ledger) => ({
      save: async (change) => (executing(change.next) ? true : ledger.save(change)),
    })),
  },
  {
    name: 'the claim is taken after the send',
    ports: (deps) => ({ ...deps, ledger: claimAfterSend(deps.ledger) }),
  },
  {
    name: 'the HTTP client sends again when the connection breaks',
    session: sendsAgain,
  },
  {
    name: 'a broken connection is called "not sent"',
    session: brokenIsNotSent,
  },
  {
    name: 'a stalled sender means that nothing was sent',
    services: (services, world) => ({
      ...services,
      async attend(id) {
        const reading = await world.ledger.get(id)
        if (
          reading !== null &&
          executing(reading.approval) &&
          !(await world.ledger.hasLiveLease(reading.approval.claim.node))
        ) {
          const { approval, nowMs } = reading
          const event = { kind: 'fail_unsent', reason: 'stalled' } as const
          const step = transition(approval, event, nowMs, world.timings)
          if (!step.ok) return
          const audit = auditEvent(approval.auditHead, event, step.value.next, nowMs)
          const next: Approval = { ...step.value.next, auditHead: audit.hash }
          await world.ledger.save({
            previous: approval,
            next,
            deadline: step.value.deadline,
            audit,
            replyText: null,
          })
          return
        }
        return services.attend(id)
      },
    }),
  },
  {
    name: 'the send is tried again after a crash, like any job',
    ports: (deps) => ({ ...deps, ledger: stalledMeansAgain(deps.ledger) }),
  },
  {
    name: 'time-out approves',
    ports: (deps) => ({ ...deps, ledger: timeoutApproves(deps.ledger) }),
  },
  {
    name: 'arguments are taken from the waiting request, not from the record',
    session: (session, world) => ({
      ...session,
      send: (request) =>
        session.send({
          ...request,
          canonicalParams: world.dice.chance(0.5)
            ? request.canonicalParams
            : request.canonicalParams.replace('"call":', '"Call":'),
        }),
    }),
  },
  {
    name: 'attaching is a look and then an insert',
    ports: withLedger((ledger) => ({
      async create(proposal) {
        const { approval } = proposal
        const same = await ledger.unsettledByAttachKey(approval.asked.attachKey)
        if (same !== null) return { kind: 'attached', approval: same.approval }
        // Without the unique index: another key lets it through.
        const attachKey = `${approval.asked.attachKey}`
        return ledger.create({
          ...proposal,
          approval: { ...approval, asked: { ...approval.asked, attachKey: `${attachKey}#${approval.id}` } },
        })
      },
      async unsettledByAttachKey(key) {
        const open = await ledger.list({
          statuses: ['pending', 'approved', 'executing'],
          principal: null,
          limit: 100,
          after: null,
        })
        const same = open.find((approval) => approval.asked.attachKey.startsWith(key))
        return same === undefined ? null : ledger.get(same.id)
      },
    })),
  },
  {
    name: 'the owner decides like anybody else',
    ports(deps) {
      return {
        ...deps,
        ledger: withChanged(deps.ledger, { get: (id) => asIfForeign(deps.ledger.get(id)) }),
      }
    },
  },
  {
    name: 'a wake-up is the truth: nobody looks by themselves',
    ports: withLedger(() => ({ due: async () => [], versionsOf: async () => new Map() })),
  },
  {
    name: 'the outcome is not kept when its gateway hears of it late',
    ports: withLedger((ledger) => ({
      save(change) {
        if (change.next.status !== 'settled' || change.next.outcome.kind !== 'answered')
          return ledger.save(change)
        return ledger.save({ ...change, replyText: null })
      },
    })),
  },
  {
    name: 'a repeat is known by its JSON-RPC id',
    ports: (deps, world) => ({ ...deps, ledger: knownByRequestId(deps.ledger, world) }),
  },
  {
    name: 'whoever waits gets the newest answer',
    ports: (deps) => ({ ...deps, ledger: newestAnswer(deps.ledger) }),
  },
  {
    name: 'an edit after the yes takes the yes over',
    services: (services, world) => ({
      ...services,
      people: {
        ...services.people,
        async edit(request) {
          const reading = await world.ledger.get(request.id)
          if (reading?.approval.status !== 'approved') return services.people.edit(request)
          const { approval: previous, nowMs } = reading
          const canonicalParams = previous.proposed.canonicalParams.replace('"call":', '"Call":')
          const edited = { ...previous, proposed: { ...previous.proposed, canonicalParams } }
          const digest = recomputedDigest(edited)
          const { via, reason } = request
          const said = { by: 'mina', via, reason, digest, nonce: previous.nonce }
          const event = { kind: 'edit', canonicalParams, ...said } as const
          const unchained: Approved = {
            ...edited,
            version: previous.version + 1,
            proposed: { ...edited.proposed, digest },
            edits: [{ by: 'mina', via: 'api', reason: null, atMs: nowMs, replaced: previous.proposed }],
            decision: { ...previous.decision, digest },
          }
          const audit = auditEvent(previous.auditHead, event, unchained, nowMs)
          const next = { ...unchained, auditHead: audit.hash }
          await world.ledger.save({ previous, next, audit, deadline: { kind: 'none' }, replyText: null })
          return services.people.edit(request)
        },
      },
    }),
  },
  {
    name: 'asking again counts as a yes: somebody wanted it, after all',
    ports: withLedger((ledger) => ({
      replace: ({ successor, ...replacement }) =>
        ledger.replace({ ...replacement, successor: withYesOf(replacement.next, successor) }),
    })),
  },
  {
    name: 'a call without its agent needs no claim: nobody else would run it',
    beginsWith: alone,
    ports: (deps) => ({
      ...deps,
      ledger: claimAfterSend(
        deps.ledger,
        async ({ id }) => (await deps.ledger.waitingNodes(id)).length === 0,
      ),
    }),
  },
  {
    name: 'audit events are written when there is time',
    ports: withLedger((ledger) => ({
      save: (change) =>
        ledger.save({ ...change, audit: { ...change.audit, hash: change.previous.auditHead } }),
    })),
  },
  {
    name: 'every gateway goes by its own file',
    ports(deps, world) {
      const own = new Map<string, ReturnType<typeof deps.rules.now>>()
      const now: typeof deps.rules.now = (server) => {
        const known = own.get(server) ?? deps.rules.now(server)
        own.set(server, known)
        return known
      }
      return { ...unguardedByRevision(deps, world), rules: { ...deps.rules, now } }
    },
  },
  {
    name: 'the pre-flight trusts the memory of its process',
    ports(deps, world) {
      const { rules } = deps
      const now: typeof rules.now = async (server) => {
        const remembered = rules.of(server)
        return remembered === null ? rules.now(server) : { kind: 'rules', rules: remembered }
      }
      return { ...unguardedByRevision(deps, world), rules: { ...rules, now } }
    },
  },
  {
    name: 'looking at the rule in force before the claim is thought to be enough',
    ports: unguardedByRevision,
  },
  {
    name: 'each click is a yes, whoever clicks',
    isAboutSeveral: true,
    ports: withLedger((ledger) => ({
      async save(change) {
        const { next } = change
        const [vote] = next.status === 'pending' ? next.votes : []
        const isGiven = vote !== undefined && change.previous.votes.length === 0
        const isNearly = isGiven && next.asking.stages.length === 1 && yesesWanted(next.asking.stages) === 2
        if (!isNearly || next.status !== 'pending') return ledger.save(change)
        const decision = { kind: 'approve', ...vote, with: [vote.by], gives: null, under: null } as const
        const startByMs = vote.atMs + 30_000
        return ledger.save({
          ...change,
          next: { ...headerOf(next), status: 'approved', votes: [vote, vote], decision, startByMs },
        })
      },
    })),
  },
  {
    name: 'an edit leaves the yeses as they are',
    isAboutSeveral: true,
    ports: withLedger((ledger) => ({
      save: (change) =>
        change.next.edits.length > change.previous.edits.length
          ? ledger.save({ ...change, next: { ...change.next, votes: change.previous.votes } })
          : ledger.save(change),
    })),
  },
  {
    name: 'the order of stages is for show',
    isAboutSeveral: true,
    ports: withLedger((ledger) => ({
      async get(id) {
        const reading = await ledger.get(id)
        return reading === null ? null : { ...reading, approval: inReverse(reading.approval) }
      },
      save: (change) =>
        ledger.save({ ...change, previous: inReverse(change.previous), next: inReverse(change.next) }),
    })),
  },
  {
    name: 'the successor of a void approval is written after it, when there is time',
    ports: withLedger((ledger) => ({
      async replace({ successor, successorAudit, ...change }) {
        const isSaved = await ledger.save(change)
        if (isSaved) {
          const proposal = { approval: successor, audit: successorAudit, pendingPerPrincipalMax: 100 }
          await ledger.create(proposal)
        }
        return isSaved
      },
    })),
  },
  {
    name: 'whoever follows later may decide at once',
    beginsWith: calling,
    ports: withLedger((ledger) => ({
      async get(id) {
        const read = await ledger.get(id)
        if (read?.approval.status !== 'pending') return read
        // As a gateway would see it whose clock, not the ledger's, says what time it is.
        return { ...read, approval: { ...read.approval, createdAtMs: read.approval.createdAtMs - 3_600_000 } }
      },
    })),
  },
  {
    name: 'the time from which somebody may decide is looked at only when they click',
    beginsWith: calling,
    ports: withLedger((ledger) => ({
      async get(id) {
        const read = await ledger.get(id)
        return read?.approval.status === 'pending' ? { ...read, nowMs: read.nowMs + 9_000 } : read
      },
      save: (change) => ledger.save({ ...change, deadline: { kind: 'none' } }),
    })),
  },
  {
    name: 'a reminder is sent for what was asked, whatever has been decided since',
    beginsWith: calling,
    nudgeLedger: (ledger) => ({
      async get(id) {
        const read = await ledger.get(id)
        return read === null ? null : { ...read, approval: asIfPending(read.approval) }
      },
      list: async (filter) => (await ledger.list({ ...filter, statuses: null })).map(asIfPending),
    }),
  },
  {
    name: 'a grant is counted when it is looked at, not in the statement that uses it',
    isAboutGrants: true,
    ports(deps, world) {
      world.ledger.grantBook.holds = () => true
      return deps
    },
  },
  {
    name: 'a use goes back with every end of its call',
    isAboutGrants: true,
    ports(deps, world) {
      const { grantBook } = world.ledger
      const { write } = grantBook
      grantBook.write = (change) => {
        const { previous, next } = change
        write(change)
        const isAnswered = next.status === 'settled' && next.outcome.kind === 'answered'
        if (!isAnswered || previous.status !== 'executing') return
        const outcome = { kind: 'not_sent', decision: next.outcome.decision, reason: '' } as const
        write({ previous, next: { ...next, outcome } })
      }
      return deps
    },
  },
  {
    name: 'a grant covers whatever its tool is asked for',
    isAboutGrants: true,
    ports(deps, world) {
      world.ledger.grantBook.holds = () => true
      const { ledger } = deps
      const grantsFor = async (scope: string) =>
        (await ledger.grants({ isStanding: true, limit: 10 })).map((grant) => ({ ...grant, scope }))
      return { ...deps, ledger: withChanged(ledger, { grantsFor }) }
    },
  },
  {
    name: 'what is refused is refused unseen, also while the same call is being sent',
    services: (services) => ({ ...services, findEarlier: async () => null }),
  },
  {
    name: 'a reminder is noted once it was sent',
    nudges: (nudges) => ({
      ...nudges,
      async take(id, channel, number) {
        const place = await nudges.take(id, channel, number)
        if (place !== null) await nudges.giveBack(id, channel, number)
        return place
      },
      posted: async (id, channel, number) => void (await nudges.take(id, channel, number)),
    }),
  },
]

/** The same call is looked for by the id of the request that is being served. */
function knownByRequestId(ledger: Ledger, world: MutantWorld): Ledger {
  world.requestIds ??= new AsyncLocalStorage()
  const { requestIds } = world
  const approvals = new Map<number, ApprovalId>()
  return withChanged(ledger, {
    async unsettledByAttachKey(key) {
      const requestId = requestIds.getStore()
      if (requestId === undefined) return ledger.unsettledByAttachKey(key)
      const known = approvals.get(requestId)
      const reading = known === undefined ? null : await ledger.get(known)
      return reading?.approval.status === 'settled' ? null : reading
    },
    async create(proposal) {
      const created = await ledger.create(proposal)
      const requestId = requestIds.getStore()
      if (created.kind === 'created' && requestId !== undefined)
        approvals.set(requestId, proposal.approval.id)
      return created
    },
  })
}

/** Whoever asks again about a lost call has its decision taken over. */
function withYesOf(lost: Approval, successor: Approval): Approval {
  const decided = decisionIn(lost)
  if (decided === null || successor.predecessor?.why !== 'unknown_end') return successor
  const decision = { ...decided, digest: successor.proposed.digest, gives: null, under: null }
  const { expiresAtMs: startByMs } = successor
  return { ...headerOf(successor), status: 'approved', decision, startByMs }
}

const asIfPending = (approval: Approval): Approval => ({ ...approval, status: 'pending' })

/** Shows the ledger to the service that decides as if the call belonged to somebody else's agent. */
async function asIfForeign(reading: ReturnType<Ledger['get']>): ReturnType<Ledger['get']> {
  const read = await reading
  if (read === null || read.approval.status !== 'pending') return read
  const { approval, nowMs } = read
  const approvers = {
    ...approval.asking.approvers,
    people: [...approval.asking.approvers.people, approval.asked.requester.owner],
  }
  const requester = { ...approval.asked.requester, owner: 'somebody else' }
  return {
    nowMs,
    approval: {
      ...approval,
      asked: { ...approval.asked, requester },
      asking: { ...approval.asking, approvers },
    },
  }
}

/** The last stage first; twice is as it was. */
function inReverse<Some extends Approval>(approval: Some): Some {
  const { asking, votes } = approval
  const last = asking.stages.length - 1
  return {
    ...approval,
    asking: { ...asking, stages: asking.stages.toReversed() },
    votes: votes.map((vote) => ({ ...vote, stage: last - vote.stage })),
  }
}
