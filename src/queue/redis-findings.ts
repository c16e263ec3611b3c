/**
 * What about a Redis server is not as a queue wants it, in words with a remedy. Read whenever a connection is ready, because a
 * restarted server may be configured otherwise. Nothing here keeps Holdpoint from starting: the ledger is the truth, and
 * whatever Redis forgets or evicts is made up for by the loop of two seconds.
 */
import type { Redis } from 'ioredis'

export interface Finding {
  readonly isGrave: boolean
  readonly message: string
}

/** BullMQ 6 recommends it as its minimum. Valkey and Dragonfly state the Redis version they are compatible with. */
const VERSION_MIN = [6, 2] as const

export async function findRedisFaults(client: Redis): Promise<readonly Finding[]> {
  const info = fieldsOf(await client.info())
  return judge(info, await readSave(client))
}

/** The snapshot rule of the server; `null`: a managed server does not let its configuration be read. */
async function readSave(client: Redis): Promise<string | null> {
  try {
    const answer: unknown = await client.config('GET', 'save')
    return Array.isArray(answer) && typeof answer[1] === 'string' ? answer[1] : null
  } catch {
    return null
  }
}

export function judge(info: ReadonlyMap<string, string>, save: string | null): readonly Finding[] {
  const findings: Finding[] = []
  const find = (isGrave: boolean, message: string) => findings.push({ isGrave, message })

  const version = info.get('redis_version') ?? 'unknown'
  if (isOlder(version)) {
    find(true, `Redis ${version} is too old for the queue: use ${VERSION_MIN.join('.')} or later`)
  }
  const policy = info.get('maxmemory_policy') ?? 'noeviction'
  if (policy !== 'noeviction') {
    find(
      true,
      `Redis evicts keys when memory is short (maxmemory-policy ${policy}): wake-ups would then be lost and come up to two seconds late; set maxmemory-policy noeviction`,
    )
  }
  if (info.get('aof_enabled') === '0') {
    if (save === '') {
      find(
        false,
        'Redis keeps nothing on disk: after its restart wake-ups come up to two seconds late; set appendonly yes',
      )
    } else if (save === null) {
      find(
        false,
        'Redis writes no append-only file, and its configuration may not be read here: check that it keeps snapshots',
      )
    }
  }
  return findings
}

export function fieldsOf(info: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>()
  for (const line of info.split(/\r?\n/)) {
    const colon = line.indexOf(':')
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1))
  }
  return fields
}

function isOlder(version: string): boolean {
  const [major = Number.NaN, minor = 0] = version.split('.').map(Number)
  // A version that is not written as numbers says nothing.
  if (Number.isNaN(major)) return false
  return major < VERSION_MIN[0] || (major === VERSION_MIN[0] && minor < VERSION_MIN[1])
}
