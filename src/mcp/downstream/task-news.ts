/**
 * Tells clients how their tasks go, on the streams on which they listen: those they name (2026-07-28), or those that their
 * session was given (2025-11-25). Wake-ups say that something has changed, at any gateway; the ledger says what.
 */
import type { Approval } from '../../domain/approval.ts'
import type { ApprovalId } from '../../domain/approval-id.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Ledger } from '../../ports/ledger.ts'
import type { Log } from '../../ports/log.ts'
import type { OwnCall, OwnCalls, Owner } from '../../services/own-calls.ts'
import type { News } from './tasks.ts'

export interface Listening {
  readonly owner: Owner
  /** The tasks that are listened to; `null`: all that `isMine` says. */
  readonly ids: readonly ApprovalId[] | null
  isMine(approval: Approval): boolean
  /** @param id under which the client knows it */
  news(id: ApprovalId, call: OwnCall): Promise<News>
  tell(raw: string): void
}

export interface TaskNews {
  /** @returns a function that ends it */
  listen(listening: Listening): () => void
}

/** Wake-ups can be lost; then a client waits this much longer, or polls. */
const LOOK_AGAIN_MS = 20_000
/** A task of the server's own is asked about while somebody listens, as often as the server says, within these bounds. */
const LOOK_AGAIN_MS_MIN = 1_000
/** More than any client waits for at a time. */
const TOLD_MAX = 100

interface Listener extends Listening {
  /** What was told last, by the id under which the client knows the task: which approval and which of its versions. */
  readonly told: Map<ApprovalId, string>
  /** Looks that are under way, and whether there was a reason for another one since. */
  readonly looking: Map<ApprovalId, { isWanted: boolean }>
  /** Those that are looked at again by themselves. */
  readonly due: Set<ApprovalId>
}

export function createTaskNews(deps: {
  ownCalls: Pick<OwnCalls, 'find'>
  read: Ledger['get']
  onWakeUp(listener: (id: ApprovalId | 'all') => void): () => void
  clock: Pick<Clock, 'sleep'>
  stopping: AbortSignal
  log: Log
}): TaskNews {
  const { ownCalls, read, onWakeUp, clock, stopping, log } = deps
  const listeners = new Set<Listener>()

  onWakeUp((id) => {
    for (const listener of listeners) {
      if (id === 'all') lookAtAll(listener)
      // One that took the place of another is told under the other's name, which finds it.
      else if (listener.ids?.includes(id) || [...listener.told.values()].some((was) => was.startsWith(id)))
        lookAtAll(listener)
    }
    if (id !== 'all' && [...listeners].some(({ ids }) => ids === null)) void lookForSessions(id)
  })
  void lookForever()

  /** Read once, however many sessions listen. */
  async function lookForSessions(id: ApprovalId): Promise<void> {
    try {
      const reading = await read(id)
      // That it was asked for is what its client has just been answered.
      if (reading === null || reading.approval.version === 1) return
      const { approval } = reading
      const theirs = [...listeners].filter(({ ids, isMine }) => ids === null && isMine(approval))
      for (const listener of theirs) void look(listener, id)
    } catch (error) {
      log.debug({ err: error, approval: id }, 'a task could not be looked up for the sessions that listen')
    }
  }

  function lookAtAll(listener: Listener): void {
    for (const id of listener.ids ?? listener.told.keys()) void look(listener, id)
  }

  /** One look at a time, so that nothing older is told after something newer. */
  async function look(listener: Listener, id: ApprovalId): Promise<void> {
    const under = listener.looking.get(id)
    if (under !== undefined) {
      under.isWanted = true
      return
    }
    const looking = { isWanted: false }
    listener.looking.set(id, looking)
    try {
      do {
        looking.isWanted = false
        await lookOnce(listener, id)
      } while (looking.isWanted && listeners.has(listener))
    } catch (error) {
      log.debug({ err: error, approval: id }, 'a task could not be looked up for whoever listens to it')
    } finally {
      listener.looking.delete(id)
    }
  }

  async function lookOnce(listener: Listener, id: ApprovalId): Promise<void> {
    const call = await ownCalls.find(id, listener.owner)
    if (call === null || !listeners.has(listener) || !listener.isMine(call.approval)) return
    const { approval } = call
    const news = await listener.news(id, call)
    if (!listeners.has(listener)) return
    if (news.lookAgainMs !== null) void lookLater(listener, id, news.lookAgainMs)
    if (listener.told.get(id) === news.state) return
    const isFirst = !listener.told.has(id) && listener.ids !== null
    listener.told.set(id, news.state)
    // How it is when a client begins to listen is no change, unless it has ended already: it may have missed that.
    if (!isFirst || approval.status === 'settled') listener.tell(news.raw)
    const [oldest] = listener.told.keys()
    if (listener.told.size > TOLD_MAX && oldest !== undefined) listener.told.delete(oldest)
  }

  async function lookLater(listener: Listener, id: ApprovalId, ms: number): Promise<void> {
    if (listener.due.has(id)) return
    listener.due.add(id)
    await clock.sleep(Math.min(Math.max(ms, LOOK_AGAIN_MS_MIN), LOOK_AGAIN_MS), stopping)
    listener.due.delete(id)
    if (listeners.has(listener) && !stopping.aborted) await look(listener, id)
  }

  async function lookForever() {
    while (!stopping.aborted) {
      await clock.sleep(LOOK_AGAIN_MS, stopping)
      for (const listener of listeners) lookAtAll(listener)
    }
  }

  return {
    listen(listening) {
      const listener: Listener = { ...listening, told: new Map(), looking: new Map(), due: new Set() }
      listeners.add(listener)
      lookAtAll(listener)
      return () => void listeners.delete(listener)
    },
  }
}
