/** The programs of a run: the fixture as upstream, and a real gateway in front of it. */
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { end, startLoneGateway } from '../support/lone-gateway.ts'

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

export const startFixture = (): Promise<Started> => startServer('fixture/main.ts', '/mcp')

/** The fixture over HTTP+SSE of 2024-11-05 alone. */
export const startOldFixture = (): Promise<Started> => startServer('fixture/old.ts', '/sse')

async function startServer(program: string, path: string): Promise<Started> {
  const child = spawn(process.execPath, [join(import.meta.dirname, program), '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const port = await new Promise<string>((done, fail) => {
    child.stdout.on('data', (chunk: Buffer) => {
      const found = /listening on (\d+)/.exec(chunk.toString())?.[1]
      if (found !== undefined) done(found)
    })
    child.once('exit', (code) => fail(new Error(`the fixture ended with ${code}`)))
  })
  return { url: `http://127.0.0.1:${port}${path}`, stop: () => end(child) }
}

/** A URL or a command, as in holdpoint.yaml. */
export type Server = (
  | { readonly url: string }
  | { readonly command: string; readonly args: readonly string[] }
) & {
  /** As in a policy file; without one everything is allowed. */
  readonly policy?: object
  readonly methods?: readonly string[]
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
  const gateway = await startLoneGateway(place, { servers: Object.fromEntries(configured) })
  return { ...gateway, personToken: await gateway.said(/hpp_[\w-]+/) }
}
