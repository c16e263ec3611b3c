/** Slack's rates as buckets: a small burst, then the steady rate; what does not fit waits for the next drop. */

export interface Rate {
  readonly perSecond: number
  readonly burst: number
}

export function createRateLimit({ nowMs }: { readonly nowMs: () => number }) {
  const buckets = new Map<string, { level: number; atMs: number }>()
  return {
    /** `null`: it fits. Otherwise the seconds to wait, as `Retry-After` says them. */
    take(key: string, { perSecond, burst }: Rate): number | null {
      const bucket = buckets.get(key) ?? { level: burst, atMs: nowMs() }
      const level = Math.min(burst, bucket.level + ((nowMs() - bucket.atMs) / 1000) * perSecond)
      const isFitting = level >= 1
      buckets.set(key, { level: isFitting ? level - 1 : level, atMs: nowMs() })
      return isFitting ? null : Math.max(1, Math.ceil((1 - level) / perSecond))
    },
    empty: () => buckets.clear(),
  }
}

const perMinute = (calls: number): Rate => ({ perSecond: calls / 60, burst: calls })

/** The documented tiers; `chat.postMessage` has a rate per channel instead. */
export const tiers: Readonly<Record<string, Rate>> = {
  'apps.connections.open': perMinute(20),
  'bots.info': perMinute(50),
  'chat.delete': perMinute(50),
  'chat.postEphemeral': perMinute(100),
  'chat.update': perMinute(50),
  'conversations.info': perMinute(50),
  'conversations.open': perMinute(50),
  'reactions.add': perMinute(50),
  'usergroups.list': perMinute(20),
  'usergroups.users.list': perMinute(20),
  'users.info': perMinute(100),
  'users.list': perMinute(20),
  'users.lookupByEmail': perMinute(50),
  'views.open': perMinute(100),
  'views.publish': perMinute(100),
  'views.push': perMinute(100),
  'views.update': perMinute(100),
}
