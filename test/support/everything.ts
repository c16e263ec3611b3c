/** Servers over HTTP in processes of their own: `server-everything`, the reference server of the MCP project, and others. */
import { type ChildProcess, spawn } from 'node:child_process'
import { resolve } from 'node:path'
import { freePort } from './free-port.ts'
import { atExit, everythingMain } from './gateway-process.ts'

export const modernMain = resolve(import.meta.dirname, 'modern-server.mjs')

export interface Everything {
  readonly url: string
  readonly child: ChildProcess
  /** What it wrote to stderr. */
  output(): string
  stop(): Promise<void>
}

/** Of server-everything: its newest transport, or the one of 2024-11-05. */
export const startEverything = (
  transport: 'streamableHttp' | 'sse' = 'streamableHttp',
): Promise<Everything> => startHttpServer(everythingMain, transport, transport === 'sse' ? '/sse' : '/mcp')

/** The server of the tests that speaks MCP 2026-07-28 alone. */
export const startModern = (): Promise<Everything> => startHttpServer(modernMain, 'http', '/mcp')

async function startHttpServer(main: string, argument: string, path: string): Promise<Everything> {
  const port = await freePort()
  const child = spawn(process.execPath, [main, argument], {
    env: { PATH: process.env.PATH ?? '', PORT: String(port) },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  atExit.push(() => child.kill('SIGKILL'))
  let said = ''
  await new Promise<void>((done, fail) => {
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString()
      if (/listening|is running on port/.test(said)) done()
    })
    child.once('exit', (code) => fail(new Error(`${main} ended with ${code}: ${said}`)))
  })
  return {
    url: `http://127.0.0.1:${port}${path}`,
    child,
    output: () => said,
    stop() {
      const gone = new Promise<void>((done) => child.once('exit', () => done()))
      child.kill('SIGKILL')
      return gone
    },
  }
}
