/** How long a request may be held before its client gives up by itself. What a client says it is changes the wait, and nothing else. */

/** What is known of one client, with the evidence. */
export interface ClientBudget {
  /** As the client states its name in `clientInfo`. */
  readonly names: readonly string[]
  /** `null`: as long as people may take. */
  readonly holdMs: number | null
  /** The client only waits so long for requests that carry a progress token. */
  readonly needsProgress: boolean
}

export interface Holding {
  readonly budgets: readonly ClientBudget[]
  /** Set by an operator for one agent; goes before what its client is known for. */
  readonly agentHoldMs: number | null
  /** For everybody else. */
  readonly defaultMs: number
  /** The longest that a decision and what follows it can take: beyond it nothing is waited for. */
  readonly endlessMs: number
}

/** @param client name and version as the client states them, such as `claude-code 2.1.330` */
export function holdBudgetMs(
  client: string | null,
  hasProgress: boolean,
  { budgets, agentHoldMs, defaultMs, endlessMs }: Holding,
): number {
  if (agentHoldMs !== null) return Math.min(agentHoldMs, endlessMs)
  const known = client === null ? undefined : budgets.find(({ names }) => names.some(isNameOf(client)))
  if (known === undefined || (known.needsProgress && !hasProgress)) return defaultMs
  return known.holdMs === null ? endlessMs : Math.min(known.holdMs, endlessMs)
}

/** The name alone, before a version or what a bridge adds, as in `claude-ai (via mcp-remote 0.1.37)`. */
const isNameOf = (client: string) => (name: string) => client === name || client.startsWith(`${name} `)
