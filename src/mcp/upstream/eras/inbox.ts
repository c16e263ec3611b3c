/** Messages that come from several places and are read in one, in the order in which they came. */

/** A reader that is so far behind does not read any more. */
const WAITING_MAX = 10_000

export interface Inbox {
  put(message: string): void
  /** Nothing more will come; what is there can still be read. */
  end(): void
  fail(error: Error): void
  /** Resolves when there is something to take. */
  arrival(): Promise<void>
  /** `null`: it has ended. @throws what it failed with */
  take(): Promise<string | null>
}

export function createInbox(): Inbox {
  const waiting: string[] = []
  let ended: { readonly error: Error | null } | null = null
  let wake = () => {}
  let hasArrived = () => {}
  const arrived = new Promise<void>((done) => {
    hasArrived = done
  })
  const finish = (error: Error | null) => {
    ended ??= { error }
    hasArrived()
    wake()
  }
  return {
    put(message) {
      if (ended !== null) return
      waiting.push(message)
      if (waiting.length > WAITING_MAX) finish(new Error('nobody read the messages of an upstream'))
      hasArrived()
      wake()
    },
    end: () => finish(null),
    fail: finish,
    arrival: () => arrived,
    async take() {
      for (;;) {
        const next = waiting.shift()
        if (next !== undefined) return next
        if (ended !== null) {
          if (ended.error !== null) throw ended.error
          return null
        }
        await new Promise<void>((done) => {
          wake = done
        })
      }
    },
  }
}
