/** The reference server of the MCP project, `server-everything`, over Streamable HTTP in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { atExit, everythingMain } from './gateway-process.ts'

export interface Everything {
  readonly url: string
  readonly child: ChildProcess
  stop(): Promise<void>
}

/** Below 32768: higher ports collide with outgoing connections. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 50; tries++) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    const isFree = await new Promise<boolean>((done) => {
      const probe = createServer()
      probe.once('error', () => done(false))
      probe.listen(port, '127.0.0.1', () => probe.close(() => done(true)))
    })
    if (isFree) return port
  }
  throw new Error('no free port')
}

export async function startEverything(): Promise<Everything> {
  const port = await freePort()
  const child = spawn(process.execPath, [everythingMain, 'streamableHttp'], {
    env: { PATH: process.env.PATH ?? '', PORT: String(port) },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  atExit.push(() => child.kill('SIGKILL'))
  await new Promise<void>((done, fail) => {
    let said = ''
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString()
      if (said.includes('listening')) done()
    })
    child.once('exit', (code) => fail(new Error(`server-everything ended with ${code}: ${said}`)))
  })
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    child,
    stop() {
      const gone = new Promise<void>((done) => child.once('exit', () => done()))
      child.kill('SIGKILL')
      return gone
    },
  }
}
