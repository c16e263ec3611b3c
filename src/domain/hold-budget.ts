/** How long a request may be held before its client gives up by itself. What a client says it is changes the wait, and nothing else. */

/** What is known of one client, with the evidence. */
export interface ClientBudget {
  /** As the client states its name in `clientInfo`. */
  readonly names: readonly string[]
  /** The first version that is known to wait so long, such as `0.169.0`; `null`: any, and one that states none. */
  readonly since: string | null
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
  const known = client === null ? undefined : budgets.find(isOf(client))
  if (known === undefined || (known.needsProgress && !hasProgress)) return defaultMs
  return known.holdMs === null ? endlessMs : Math.min(known.holdMs, endlessMs)
}

/** The name alone, before a version or what a bridge adds, as in `claude-ai (via mcp-remote 0.1.37)`. */
const isOf = (client: string) => (budget: ClientBudget) =>
  budget.names.some((name) => {
    if (client !== name && !client.startsWith(`${name} `)) return false
    return budget.since === null || isAsNew(client.slice(name.length + 1), budget.since)
  })

/** By the numbers of each version; what is not written in numbers is older than all that is. */
function isAsNew(version: string, since: string): boolean {
  const numbersOf = (text: string) => (/^\d+(\.\d+)*/.exec(text)?.[0] ?? '').split('.').map(Number)
  const stated = numbersOf(version)
  const first = numbersOf(since).map((number, index) => (stated[index] ?? 0) - number)
  return (first.find((difference) => difference !== 0) ?? 0) >= 0
}
