/** How long a request is held, and what it is answered: by what the client is known to stand, and by what the request declares. */
import { type ClientBudget, holdBudgetMs } from '../../domain/hold-budget.ts'
import type { Timings } from '../../domain/timings.ts'
import type { Requester } from './requester.ts'

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
    // A broken stream of 2026-07-28 cannot be resumed, so it is kept short and the client sent back by a state.
    return spoken.era === 'modern' && setMs === null ? Math.min(budgetMs, timings.holdMs) : budgetMs
  }
  return {
    holdMs,
    comesBack: (requester) => holdMs(requester, true) < timings.decisionMs,
  }
}
