/** How long a request is held, and what it is answered: by what the client is known to stand, and by what the request declares. */
import { type ClientBudget, holdBudgetMs } from '../../domain/hold-budget.ts'
import type { Timings } from '../../domain/timings.ts'
import { ROUNDS_MAX } from './request-state.ts'
import type { Requester } from './requester.ts'

/** The first request, and each that comes back with a state: each is held anew. */
const HOLDS_MODERN = ROUNDS_MAX + 1

export interface WaitingTerms {
  holdMs(requester: Pick<Requester, 'client' | 'principal' | 'spoken'>, hasProgress: boolean): number
  /** Whether this client is told to come back before people must have decided. */
  comesBack(requester: Pick<Requester, 'client' | 'principal' | 'spoken'>): boolean
}

export function createWaitingTerms(deps: {
  clientBudgets: readonly ClientBudget[]
  agentHoldMs(agent: string): number | null
  timings: Pick<Timings, 'holdMs' | 'decisionMs' | 'startByMs'>
}): WaitingTerms {
  const { clientBudgets, agentHoldMs, timings } = deps
  const endlessMs = timings.decisionMs + timings.startByMs
  function holdMs(
    { client, principal, spoken }: Pick<Requester, 'client' | 'principal' | 'spoken'>,
    hasProgress: boolean,
  ): number {
    const setMs = agentHoldMs(principal.name)
    const budget = { budgets: clientBudgets, agentHoldMs: setMs, defaultMs: timings.holdMs, endlessMs }
    const budgetMs = holdBudgetMs(client, hasProgress, budget)
    // A broken stream of 2026-07-28 cannot be resumed, so none is longer than it has to be: all of them together are long enough.
    const roundMs = Math.ceil(endlessMs / HOLDS_MODERN)
    return spoken.era === 'modern' && setMs === null ? Math.min(budgetMs, roundMs) : budgetMs
  }
  return {
    holdMs,
    comesBack(requester) {
      const holds = requester.spoken.era === 'modern' ? HOLDS_MODERN : 1
      return holds * holdMs(requester, true) < timings.decisionMs
    },
  }
}
