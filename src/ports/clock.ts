/** Time inside this process: for intervals only. Deadlines belong to the ledger's clock. */

export interface Clock {
  /** Milliseconds that never go back. */
  monotonicMs(): number
  /** Resolves after `ms`, or as soon as `signal` aborts; never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}
