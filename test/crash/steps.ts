/** Which step of an approval's life a use of a port is. Each has a point before it and one after it has taken effect. */
import { isRuleActor } from '../../src/domain/actor.ts'
import type { Approval, Decision, Outcome, Pending } from '../../src/domain/approval.ts'
import { decisionIn } from '../../src/domain/grant.ts'
import type { Decorate } from '../../src/launch/decorate.ts'
import type { Channel } from '../../src/ports/channels.ts'
import type { Ledger } from '../../src/ports/ledger.ts'
import type { Nudges } from '../../src/ports/nudges.ts'
import type { UpstreamSession } from '../../src/ports/upstream-session.ts'
import type { Trap } from './trap.ts'

type Cancelled = Extract<Outcome, { kind: 'cancelled' }>

/** How long after its first byte a request counts as under way: the upstreams of these tests take longer to answer. */
const UNDER_WAY_MS = 40

export const passing = (trap: Trap): Decorate => ({
  stores(stores) {
    const { store, queue } = stores
    return {
      ...stores,
      store: {
        ...store,
        ledger: withDecisiveSteps(around(store.ledger, trap, ledgerSteps), trap),
        cards: around(store.cards, trap, {
          take: 'card taken',
          shown: 'card noted',
          giveBack: 'card given back',
        }),
        nudges: withPostedSteps(store.nudges, trap),
        wakeUps: around(store.wakeUps, trap, { announce: 'wake-up' }),
        counters: around(store.counters, trap, { reserve: 'counted', release: 'not counted any more' }),
        ...around({ seal: store.seal }, trap, { seal: 'seal' }),
      },
      queue: around(queue, trap, {
        setAlarm: 'alarm',
        requestExecution: 'execution job',
        requestDelivery: 'delivery job',
      }),
    }
  },
  session: (session, who) => passingSession(session, trap, who),
  channel: (channel) => passingChannel(channel, trap),
})

const ledgerSteps = {
  addWaiter: 'waiter added',
  removeWaiter: 'waiter removed',
  waitingNodes: 'turn',
  renewLease: 'lease',
  markDelivered: 'delivery noted',
  noteUnsent: 'postponement',
  keepEvidence: 'late answer kept',
  due: 'watch',
} as const satisfies Partial<Record<keyof Ledger, string>>

/** What a save means is in its `next`; what comes back says whether it took effect. */
function withDecisiveSteps(ledger: Ledger, trap: Trap): Ledger {
  return {
    ...ledger,
    async create(proposal) {
      trap.pass('ask: before')
      const created = await ledger.create(proposal)
      if (created.kind === 'created') trap.pass('ask: after')
      return created
    },
    async unsettledByAttachKey(key) {
      const found = await ledger.unsettledByAttachKey(key)
      if (found !== null) trap.pass('attach: after')
      return found
    },
    async replace(replacement) {
      const step =
        replacement.next.status === 'settled' && replacement.next.outcome.kind === 'indeterminate'
          ? 'asked again'
          : 'asked anew'
      trap.pass(`${step}: before`)
      const isReplaced = await ledger.replace(replacement)
      if (isReplaced) trap.pass(`${step}: after`)
      return isReplaced
    },
    async save(change) {
      const step = stepOf(change.previous, change.next)
      trap.pass(`${step}: before`)
      const isSaved = await ledger.save(change)
      if (isSaved) trap.pass(`${step}: after`)
      return isSaved
    },
  }
}

function stepOf(previous: Approval, next: Approval): string {
  const isEnded = endOfGrant(next) !== null && endOfGrant(previous) === null
  if (isEnded) return 'grant ended'
  switch (next.status) {
    case 'pending':
      return previous.status === 'pending' ? changeOf(previous, next) : 'change of a paused call'
    case 'approved':
      return previous.status === 'pending' ? yesOf(next.decision) : 'change of an approved call'
    case 'executing':
      return 'claim'
    case 'settled':
      if (previous.status === 'settled') return noteOf(previous.outcome, next.outcome)
      return next.outcome.kind === 'cancelled' ? withdrawalOf(next.outcome, next) : next.outcome.kind
  }
}

const endOfGrant = (approval: Approval) => decisionIn(approval)?.gives?.ended ?? null

const yesOf = ({ gives, under }: Decision) =>
  under !== null ? 'grant used' : gives !== null ? 'grant given' : 'decision'

/** What is written beside an outcome, which stays what it is. */
function noteOf(before: Outcome, after: Outcome): string {
  if (before.kind !== 'indeterminate' || after.kind !== 'indeterminate') return 'change of a settled call'
  if (after.annotations.length > before.annotations.length) return 'finding'
  const isLate = after.evidence.lateReplies.length > before.evidence.lateReplies.length
  return isLate ? 'late answer noted' : 'look after'
}

function changeOf(previous: Pending, next: Pending): string {
  const isCalled = next.nudges.length > previous.nudges.length
  if (next.votes.length < previous.votes.length) return 'yes taken back'
  if (next.votes.length > previous.votes.length) return isCalled ? 'stage passed' : 'vote'
  if (next.edits.length > previous.edits.length) return 'edit'
  if (next.expiresAtMs > previous.expiresAtMs) return 'extension'
  return isCalled ? 'reminder due' : 'change of a paused call'
}

/** Who withdraws it, and why. */
function withdrawalOf({ by, reason }: Cancelled, { asked }: Approval): string {
  if (isRuleActor(by)) return 'withdrawn as gone'
  if (by === asked.requester.name) return 'task withdrawn'
  return reason?.startsWith('stopped: ') === true ? 'stopped' : 'cancelled'
}

/** Taking is a step only where something was taken. */
const withPostedSteps = (nudges: Nudges, trap: Trap): Nudges => ({
  ...nudges,
  async take(...nudge) {
    const place = await nudges.take(...nudge)
    if (place !== null) trap.pass('reminder taken: after')
    return place
  },
})

/** Of a gateway that runs a call alone, without its agent, these are steps of their own. */
function passingSession(session: UpstreamSession, trap: Trap, who: 'waiter' | 'alone'): UpstreamSession {
  const isAlone = who === 'alone'
  const step = (name: string) => (isAlone ? `${name} alone` : name)
  let isAsked = isAlone
  return {
    async describe(tool) {
      // The same session looks at the tool when the call is asked for, and again before it is sent.
      const at = isAsked ? step('pre-flight') : 'look at the tool'
      isAsked = true
      trap.pass(`${at}: before`)
      const described = await session.describe(tool)
      trap.pass(`${at}: after`)
      return described
    },
    async send(request) {
      trap.pass(`${step('send')}: before`)
      const sent = await session.send({
        ...request,
        mayStillStart() {
          trap.pass(`${step('first byte')}: before`)
          const may = request.mayStillStart()
          if (may) {
            trap.pass(`${step('first byte')}: now`)
            setTimeout(() => trap.pass(`${step('first byte')}: after`), UNDER_WAY_MS)
          }
          return may
        },
      })
      trap.pass(`${step('send')}: after`)
      return sent
    },
  }
}

const passingChannel = (channel: Channel, trap: Trap): Channel => ({
  ...channel,
  async nudge(showing) {
    const people = await channel.nudge(showing)
    trap.pass('reminder posted: after')
    return people
  },
  async show(showing, place) {
    const step = place === null ? 'card posted' : 'card changed'
    trap.pass(`${step}: before`)
    const shown = await channel.show(showing, place)
    trap.pass(`${step}: after`)
    return shown
  },
})

/** The port with a point before and after each of the named methods. */
function around<Port extends object>(
  port: Port,
  trap: Trap,
  steps: Partial<Record<keyof Port, string>>,
): Port {
  const names = new Map<PropertyKey, string>(
    Object.entries(steps).map(([name, step]) => [name, String(step)]),
  )
  return new Proxy(port, {
    get(target, name, receiver) {
      const value = Reflect.get(target, name, receiver)
      const step = names.get(name)
      if (step === undefined || typeof value !== 'function') return value
      return async (...args: unknown[]) => {
        trap.pass(`${step}: before`)
        const result = await Reflect.apply(value, target, args)
        trap.pass(`${step}: after`)
        return result
      }
    },
  })
}
