/** A real gateway in a process of its own, for the runs that no test runner starts: `node dist/src/main.js` with a configuration. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const repository = join(import.meta.dirname, '../..')
const START_MS_MAX = 60_000
const LOOK_MS = 50

export interface LoneGateway {
  readonly url: string
  /** What its processes run with; the command line finds it with the same. */
  readonly env: Readonly<Record<string, string>>
  /** The first text that fits in what it printed so far, or is about to print. */
  said(fits: RegExp): Promise<string>
  output(): string
  /** SIGTERM. Resolves when it is gone. */
  stop(): Promise<void>
}

/**
 * @param place a directory for its configuration and data
 * @param configuration as in holdpoint.yaml; `null` starts it with none, as a newcomer does
 */
export async function startLoneGateway(place: string, configuration: object | null): Promise<LoneGateway> {
  mkdirSync(place, { recursive: true })
  const file = join(place, 'holdpoint.yaml')
  // JSON is YAML.
  if (configuration !== null) writeFileSync(file, JSON.stringify(configuration))
  const dataDir = join(place, 'data')
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: place,
    ...(configuration === null ? {} : { HOLDPOINT_CONFIG: file }),
    HOLDPOINT_DATA: dataDir,
    PORT: '0',
  }
  const log: string[] = []
  const child = spawn(process.execPath, [join(repository, 'dist/src/main.js')], {
    // Where no configuration lies that is meant for somebody else.
    cwd: place,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => log.push(chunk.toString()))

  async function until<Found>(what: string, look: () => Found | null): Promise<Found> {
    const giveUpMs = performance.now() + START_MS_MAX
    while (performance.now() < giveUpMs && child.exitCode === null) {
      const found = look()
      if (found !== null) return found
      await sleep(LOOK_MS)
    }
    await end(child)
    throw new Error(`the gateway did not ${what}:\n${log.join('')}`)
  }

  return {
    url: await until('start', () => servedBy(dataDir, child.pid)),
    env,
    said: (fits) => until(`say ${fits}`, () => fits.exec(log.join(''))?.[0] ?? null),
    output: () => log.join(''),
    stop: () => end(child),
  }
}

function servedBy(dataDir: string, pid: number | undefined): string | null {
  try {
    const instance = JSON.parse(readFileSync(join(dataDir, 'gateway.json'), 'utf8'))
    return instance.pid === pid ? String(instance.url) : null
  } catch {
    return null
  }
}

/** SIGTERM, unless it has ended already. Resolves when it is gone. */
export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((done) => child.once('exit', done))
  child.kill('SIGTERM')
  await gone
}
