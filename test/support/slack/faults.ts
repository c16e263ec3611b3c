/** How Slack fails: what a test has told the double to do to the next calls, and to all of them. */
import type { SlackRequest } from './web-api.ts'

/** `refused`: nothing listens, sockets are cut. `http_500` and `timeout` touch the Web API; open sockets live on. */
export type Outage = 'refused' | 'http_500' | 'timeout'

export type Fault =
  | { readonly kind: 'none' }
  | { readonly kind: 'http_500' }
  /** Nothing is done and nothing is answered. */
  | { readonly kind: 'silence' }
  | { readonly kind: 'rate_limited'; readonly retryAfterS: number }
  | { readonly kind: 'error'; readonly error: string }
  /** Done, and then the connection is cut instead of an answer. */
  | { readonly kind: 'drop_after' }

export interface Held {
  /** The request, once it is there. Nothing has been done with it yet. */
  readonly arrived: Promise<SlackRequest>
  /** Does what was asked and answers, even if nobody listens any more. */
  release(): void
}

export function createFaults({ nowMs }: { readonly nowMs: () => number }) {
  const once = new Map<string, Fault[]>()
  const limits = new Map<string, { readonly untilMs: number; readonly channel: string | null }>()
  const holds = new Map<string, ((request: SlackRequest) => Promise<void>)[]>()
  let outage: Outage | null = null
  let slowMs = 0

  function next(method: string, fault: Fault): void {
    once.set(method, [...(once.get(method) ?? []), fault])
  }

  return {
    setOutage(kind: Outage | null): void {
      outage = kind
    },
    slowMs: () => slowMs,
    setSlow(ms: number): void {
      slowMs = ms
    },
    next,
    limit(method: string, retryAfterS: number, channel: string | null): void {
      limits.set(method, { untilMs: nowMs() + retryAfterS * 1000, channel })
    },
    /** What befalls this request. A fault for one call is spent by it. */
    of({ method, args }: Pick<SlackRequest, 'method' | 'args'>): Fault {
      if (outage === 'http_500') return { kind: 'http_500' }
      if (outage === 'timeout') return { kind: 'silence' }
      const limit = limits.get(method)
      const isLimited = limit !== undefined && limit.untilMs > nowMs()
      if (isLimited && (limit.channel === null || limit.channel === args.channel))
        return { kind: 'rate_limited', retryAfterS: Math.ceil((limit.untilMs - nowMs()) / 1000) }
      return once.get(method)?.shift() ?? { kind: 'none' }
    },
    hold(method: string): Held {
      let release = () => {}
      const released = new Promise<void>((resolve) => {
        release = resolve
      })
      const arrived = new Promise<SlackRequest>((resolve) => {
        const holder = (request: SlackRequest) => {
          resolve(request)
          return released
        }
        holds.set(method, [...(holds.get(method) ?? []), holder])
      })
      return { arrived, release }
    },
    /** Waits when a test holds this method. */
    async held(request: SlackRequest): Promise<void> {
      await holds.get(request.method)?.shift()?.(request)
    },
  }
}
