/** The programs of a run: the fixture as upstream, and a real gateway in front of it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const repository = join(import.meta.dirname, '../..')
const START_MS_MAX = 60_000

export interface Started {
  readonly url: string
  stop(): Promise<void>
}

export interface StartedGateway extends Started {
  /** Of the person who is at this machine. */
  readonly personToken: string
}

/** A directory for configuration and data, removed by `remove`. */
export function workplace() {
  const path = mkdtempSync(join(tmpdir(), 'holdpoint-conformance-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

export async function startFixture(): Promise<Started> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'fixture/main.ts'), '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const port = await new Promise<string>((done, fail) => {
    child.stdout.on('data', (chunk: Buffer) => {
      const found = /listening on (\d+)/.exec(chunk.toString())?.[1]
      if (found !== undefined) done(found)
    })
    child.once('exit', (code) => fail(new Error(`the fixture ended with ${code}`)))
  })
  return { url: `http://127.0.0.1:${port}/mcp`, stop: () => end(child) }
}

/** A URL or a command, as in holdpoint.yaml. */
export type Server = (
  | { readonly url: string }
  | { readonly command: string; readonly args: readonly string[] }
) & {
  /** As in a policy file; without one everything is allowed. */
  readonly policy?: object
}

/** The fixture as a stdio server that speaks one era alone. */
export const stdioFixture = (era: 'legacy' | 'modern') => ({
  command: process.execPath,
  args: [join(import.meta.dirname, 'fixture/stdio.ts'), era],
})

/** `npm start` without npm, for whoever is on this machine: nobody is configured, so that no token is needed. */
const allowAll = { version: '1', default: 'allow' }

export async function startGateway(place: string, servers: Record<string, Server>): Promise<StartedGateway> {
  mkdirSync(place, { recursive: true })
  const configured = Object.entries(servers).map(([name, { policy = allowAll, ...server }]) => {
    writeFileSync(join(place, `${name}.json`), JSON.stringify(policy))
    return [name, { ...server, policy: `${name}.json` }]
  })
  // JSON is YAML.
  writeFileSync(join(place, 'holdpoint.yaml'), JSON.stringify({ servers: Object.fromEntries(configured) }))
  const dataDir = join(place, 'data')
  const log: string[] = []
  const child = spawn(process.execPath, [join(repository, 'dist/src/main.js')], {
    env: {
      PATH: process.env.PATH,
      HOME: place,
      HOLDPOINT_CONFIG: join(place, 'holdpoint.yaml'),
      HOLDPOINT_DATA: dataDir,
      PORT: '0',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => log.push(chunk.toString()))
  const giveUpMs = performance.now() + START_MS_MAX
  while (performance.now() < giveUpMs && child.exitCode === null) {
    const url = servedBy(dataDir, child.pid)
    const personToken = /hpp_\w+/.exec(log.join(''))?.[0]
    if (url !== null && personToken !== undefined) return { url, personToken, stop: () => end(child) }
    await sleep(50)
  }
  await end(child)
  throw new Error(`the gateway did not start:\n${log.join('')}`)
}

function servedBy(dataDir: string, pid: number | undefined): string | null {
  try {
    const instance = JSON.parse(readFileSync(join(dataDir, 'gateway.json'), 'utf8'))
    return instance.pid === pid ? String(instance.url) : null
  } catch {
    return null
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((done) => child.once('exit', done))
  child.kill('SIGTERM')
  await gone
}
