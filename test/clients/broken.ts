/**
 * What the run has to find: gateways, servers and clients that are broken in one way each. A run that does not complain about
 * every one of them proves nothing about the others.
 */
import { agents } from './agents.ts'
import type { RealClient } from './client.ts'
import { programs } from './programs.ts'
import { sdkClients, withRestlessMeta } from './sdk.ts'
import type { openTap } from './tap.ts'

export interface Broken {
  readonly client: RealClient
  readonly change?: NonNullable<Parameters<typeof openTap>[1]>
  /** What must be complained about. */
  readonly complaint: RegExp
}

const all = [...sdkClients, ...programs, ...agents]

function as(name: string, original: string, changes: Partial<RealClient> = {}): RealClient {
  const client = all.find((one) => one.name === original)
  if (client === undefined) throw new Error(`there is no client ${original}`)
  return { ...client, name: `broken-${name}`, ...changes }
}

const withoutProgress = (text: string) => (text.includes('notifications/progress') ? null : text)
const inSilence = (text: string) => (text.startsWith(': still') ? null : withoutProgress(text))

export const brokenOnes: readonly Broken[] = [
  {
    client: as('server-runs-twice', 'sdk-v1-impatient', { server: 'twice' }),
    complaint: /ran it 2 times/,
  },
  {
    client: as('nobody-is-asked', 'sdk-v1-impatient', { server: 'open' }),
    complaint: /asked 0 times/,
  },
  {
    client: as('repeats-are-new-calls', 'sdk-v1-impatient', { connect: withRestlessMeta }),
    complaint: /asked [2-9] times/,
  },
  {
    client: as('result-is-lost', 'sdk-v1-impatient'),
    change: (text) => (/re_\d+/.test(text) ? null : text),
    complaint: /without the result/,
  },
  {
    client: as('result-is-another', 'sdk-v1-impatient'),
    change: (text) => text.replaceAll(/re_\d+/g, 're_999'),
    complaint: /without the result/,
  },
  {
    client: as('allowed-call-is-changed', 'sdk-v1-impatient'),
    change: (text) => text.replaceAll('hold point', 'held point'),
    complaint: /answers “.*held point/,
  },
  {
    client: as('denial-names-nobody', 'sdk-v1-impatient'),
    change: (text) => text.replaceAll('mina', 'someone'),
    complaint: /not told who denied/,
  },
  // Whoever is said to be kept by progress or comments gives up without them: so these are their own limits, and they strike.
  {
    client: as('sdk-without-progress', 'sdk-v1-progress'),
    change: withoutProgress,
    complaint: /waits by repeats/,
  },
  { client: as('mcp-remote-in-silence', 'mcp-remote'), change: inSilence, complaint: /waits by repeats/ },
  {
    client: as('claude-code-without-progress', 'claude-code'),
    change: withoutProgress,
    complaint: /waits by repeats/,
  },
]
