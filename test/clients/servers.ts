/** The servers behind the gateway, each of which knows what it really ran: one written by hand, and one with FastMCP. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { z } from 'zod'
import { freePort } from '../support/free-port.ts'
import { startHttpUpstream } from '../support/http-upstream.ts'
import { end } from '../support/lone-gateway.ts'

export interface CountingServer {
  readonly url: string
  /** The results of the refunds that ran with this text in their arguments, oldest first. */
  refunds(marker: string): string[]
  stop(): Promise<void>
}

/** Its results are numbered, in the order in which they ran. */
function refundsOf(executed: readonly { tool: string; args: object }[], marker: string): string[] {
  return executed
    .filter(({ tool }) => tool === 'create_refund')
    .map(({ args }, index) => ({ args: JSON.stringify(args), result: `re_${index + 1}` }))
    .filter(({ args }) => args.includes(marker))
    .map(({ result }) => result)
}

export async function startPay(): Promise<CountingServer> {
  const upstream = await startHttpUpstream()
  return {
    url: upstream.url.href,
    refunds: (marker) => refundsOf(upstream.executed, marker),
    stop: () => upstream.close(),
  }
}

const Ran = z.object({ ran: z.string(), args: z.looseObject({}) })

export async function startFast(): Promise<CountingServer> {
  const port = await freePort()
  const program = join(import.meta.dirname, 'suite/fastmcp-server.mjs')
  const child = spawn(process.execPath, [program, String(port)], { stdio: ['ignore', 'pipe', 'ignore'] })
  const executed: { tool: string; args: object }[] = []
  const lines = createInterface({ input: child.stdout })
  await new Promise<void>((done, fail) => {
    child.once('exit', (code) => fail(new Error(`the server of FastMCP ended with ${code}`)))
    lines.on('line', (line) => {
      if (line === 'listening') done()
      if (!line.startsWith('{')) return
      const { ran, args } = Ran.parse(JSON.parse(line))
      executed.push({ tool: ran, args })
    })
  })
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    refunds: (marker) => refundsOf(executed, marker),
    stop: () => end(child),
  }
}
