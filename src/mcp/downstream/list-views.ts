/**
 * What a client sees of a server's list of tools beyond what the server says: which tools are hidden, which are marked, and
 * whether it may ask at all. Whoever listens is told when that has changed for it, and only then.
 */
import { asksAnything, isHidden, mayAsk, type Policy } from '../../domain/policy.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Rules } from '../../ports/rules.ts'
import type { StopsInForce } from '../../services/stops-in-force.ts'
import type { Requester } from './requester.ts'
import type { WaitingTerms } from './waiting-terms.ts'

/** By then every gateway knows what is in force, so that whoever lists at once, at any of them, sees it. */
const SETTLE_MS = 1_000
/** Sessions whose last look is remembered; whoever is forgotten is told once more than needed. */
const REMEMBERED_MAX = 10_000

export type Viewer = Pick<Requester, 'upstream' | 'principal' | 'spoken' | 'session' | 'client'>

export interface ListViews {
  /** This session sees now what is in force now: it has just begun, or has just listed. */
  seen(viewer: Viewer): void
  /** @param onChange called each time that its list is another one. @returns a function that ends it */
  watch(viewer: Viewer, onChange: () => void): () => void
}

/** What a list depends on. Policies never change, so they are kept and compared as they are. */
interface InForce {
  readonly policy: Policy | null
  readonly isStopped: boolean
}

interface Watcher {
  readonly viewer: Viewer
  readonly onChange: () => void
  was: InForce
}

export function createListViews(deps: {
  rules: Pick<Rules, 'of'>
  stops: Pick<StopsInForce, 'over'>
  /** Every tool that was ever seen on a server. */
  toolNames(server: string): readonly string[]
  /** Calls back when other rules or stops are in force. */
  onRulesChange(listener: () => void): void
  terms: WaitingTerms
  clock: Pick<Clock, 'sleep'>
  stopping: AbortSignal
}): ListViews {
  const { rules, stops, toolNames, onRulesChange, terms, clock, stopping } = deps
  const watchers = new Set<Watcher>()
  const remembered = new Map<string, InForce>()
  let isSettling = false

  onRulesChange(() => {
    if (isSettling) return
    isSettling = true
    void clock.sleep(SETTLE_MS, stopping).then(() => {
      isSettling = false
      if (!stopping.aborted) for (const watcher of watchers) look(watcher)
    })
  })

  function look(watcher: Watcher): void {
    const { viewer, was } = watcher
    const now = inForce(viewer)
    watcher.was = now
    remember(viewer, now)
    // The tools of this moment under both: what a server has added meanwhile is for the server to say.
    const names = toolNames(viewer.upstream.server)
    if (viewOf(viewer, was, names) !== viewOf(viewer, now, names)) watcher.onChange()
  }

  function inForce({ upstream, principal }: Viewer): InForce {
    const { server } = upstream
    const isStopped = stops.over({ server, tool: null, principal }) !== null
    return { policy: rules.of(server)?.policy ?? null, isStopped }
  }

  function viewOf(viewer: Viewer, { policy, isStopped }: InForce, names: readonly string[]): string {
    // Without rules or under a stop a list is refused.
    if (policy === null || isStopped) return 'refused'
    const isMarked = viewer.spoken.revision === '2025-11-25'
    const tools = names
      .filter((name) => !isHidden(policy, name))
      .map((name) => [name, isMarked && mayAsk(policy, name)])
    return JSON.stringify([tools, asksAnything(policy) && terms.comesBack(viewer)])
  }

  function remember(viewer: Viewer, now: InForce): void {
    if (viewer.session === null) return
    const key = keyOf(viewer)
    remembered.delete(key)
    remembered.set(key, now)
    const [oldest] = remembered.keys()
    if (remembered.size > REMEMBERED_MAX && oldest !== undefined) remembered.delete(oldest)
  }

  const keyOf = ({ upstream, principal, session }: Viewer) =>
    JSON.stringify([upstream.server, principal.name, principal.owner, session?.id])

  return {
    seen: (viewer) => remember(viewer, inForce(viewer)),
    watch(viewer, onChange) {
      const now = inForce(viewer)
      const watcher = { viewer, onChange, was: remembered.get(keyOf(viewer)) ?? now }
      watchers.add(watcher)
      // While nobody listened, or at another gateway, something may have changed.
      const isKnown = viewer.session === null || remembered.has(keyOf(viewer))
      if (isKnown) look(watcher)
      else {
        remember(viewer, now)
        const nothing = { policy: null, isStopped: false }
        if (now.policy !== null && isEdited(now.policy, viewer)) onChange()
        else if (now.isStopped) watcher.was = { ...nothing, isStopped: true }
      }
      return () => void watchers.delete(watcher)
    },
  }

  /** Whether anything of its list is ours, so that it may be other than what this session has seen elsewhere. */
  function isEdited(policy: Policy, viewer: Viewer): boolean {
    const names = toolNames(viewer.upstream.server)
    return policy.hidden.size > 0 || names.some((name) => mayAsk(policy, name))
  }
}
