/** What a policy judges: one call, who makes it, when, and what is known about the tool. */
import type { JsonValue } from '../canonical.ts'
import type { ToolFacts } from '../risk.ts'

export interface JudgedCall {
  readonly server: string
  readonly tool: string
  /** As the strict parser read them; whatever is not an object has no paths. */
  readonly arguments: JsonValue
  /** Name of the principal. */
  readonly agent: string
  /** The person who answers for it. */
  readonly owner: string
  /** Of the protocol; `null` where it has none, and then the principal stands for it. */
  readonly session: string | null
  readonly facts: ToolFacts
  /** Milliseconds since the epoch, for time windows. */
  readonly nowMs: number
  /** What the counters said, by key; only where the policy asks. What is not there is unknown. */
  readonly tallies?: ReadonlyMap<string, number>
  /**
   * For a call of the past whose arguments were not kept: the names of those that had a value (`null`: not even these).
   * `arguments` say nothing then, and what conditions ask about them is unknown.
   */
  readonly onlyNames?: readonly string[] | null
}
