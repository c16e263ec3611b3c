/** What the run knows of a client: how to start the real thing, which setting of its own limits a call, and how it then waits. */

/** One call of a tool, as an agent decides to make it. */
export interface Call {
  readonly tool: string
  readonly args: Readonly<Record<string, string | number>>
}

/** What an agent does, one call after the other; it reads the text of each answer, errors of its client included. */
export type Errand<Found> = Generator<Call, Found, string>

export interface Where {
  readonly url: string
  /** `null` where nobody asks for one. */
  readonly token: string | null
  /** Of this client alone, and empty. */
  readonly directory: string
}

export interface Connected {
  /** Lets the client make each call, and hands back what whoever uses it reads. */
  run<Found>(errand: Errand<Found>): Promise<Found>
  close(): Promise<void>
}

/**
 * What happened while a person took longer than the client's limit:
 * `held`: one request was open to the end; `rounds`: it was sent back with a state, and came back by itself; `task`: it polled;
 * `ticket`: it was told to come back, and did; `repeats`: it gave up by its own limit, and was told to call again by nobody.
 */
export type Way = 'held' | 'rounds' | 'task' | 'ticket' | 'repeats'

export interface RealClient {
  readonly name: string
  readonly version: string
  /** The client's own setting that ends a call, in its own words. */
  readonly limit: string
  /** What it is set to, or what it is where a client cannot be told. */
  readonly limitMs: number
  /** How long the gateway holds its calls, as an operator sets it for one agent; without it, 3 s or what is known of the client. */
  readonly hold?: string
  readonly way: Way
  /** The server that it uses, if not the usual one. */
  readonly server?: ServerName
  connect(where: Where): Promise<Connected>
}

/** `twice` runs every refund twice, `open` asks nobody: these are broken on purpose. */
export type ServerName = 'pay' | 'fast' | 'twice' | 'open'

/** Each client's own limit is set to this, where it can be set. */
export const LIMIT_MS = 4_000
export const LIMIT_S = LIMIT_MS / 1_000

/** For clients that make one call at a time and answer with a text. */
export function callByCall(call: (call: Call) => Promise<string>, close: () => Promise<void>): Connected {
  return {
    async run(errand) {
      let step = errand.next()
      while (step.done !== true) step = errand.next(await call(step.value))
      return step.value
    },
    close,
  }
}

/** What a program shows of a result: its texts, or all of it where there are none. */
export function shownText(result: object): string {
  const content: unknown = 'content' in result ? result.content : null
  if (!Array.isArray(content)) return JSON.stringify(result)
  return content.map((part: { text?: string }) => part.text ?? JSON.stringify(part)).join('\n')
}

/** What a program shows of an error. */
export const shownError = (error: unknown): string =>
  `error: ${error instanceof Error ? error.message : String(error)}`
