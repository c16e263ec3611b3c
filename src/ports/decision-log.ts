/** What the policy said about every call, kept for a while. Nothing depends on it: it may lose lines, and says how many. */
import type { RecordedKind, RecordedVerdict } from '../domain/recorded-verdict.ts'

export interface LoggedVerdict extends RecordedVerdict {
  /** Grows with time; names a place in the log. */
  readonly id: number
}

export interface LogFilter {
  readonly fromMs: number
  /** `null`: of any. */
  readonly server: string | null
  readonly agent: string | null
  /** Only of agents that this person answers for. */
  readonly owner: string | null
  readonly verdict: RecordedKind | null
  /** Only those about which rules that are only tried would have said something else. */
  readonly isTried: boolean
  readonly limit: number
  /** Only lines before this one; `null`: from the newest. */
  readonly before: number | null
}

export interface DecisionLog {
  add(verdicts: readonly RecordedVerdict[]): Promise<void>
  /** Newest first. */
  list(filter: LogFilter): Promise<readonly LoggedVerdict[]>
  /**
   * Removes some of what is older than `keepMs` or beyond the newest `linesMax`.
   * @returns how many lines; as many as `limit` means that there may be more
   */
  sweep(keepMs: number, linesMax: number, limit: number): Promise<number>
}
