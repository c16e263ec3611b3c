/** Time inside this process: for intervals, and for the time windows of policies. Deadlines belong to the ledger's clock. */

export interface Clock {
  /** Milliseconds that never go back. */
  monotonicMs(): number
  /** Milliseconds since the epoch, as this machine believes; towards agents, as far as it is known here, the ledger's. */
  wallMs(): number
  /** Resolves after `ms`, or as soon as `signal` aborts; never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}
