/** The HTTP listener: one port for everything, made for streams that stay open for hours. */

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'

export interface Listener {
  readonly port: number
  /** From now on requests go here; until then they are told to wait. */
  serve(fetch: Parameters<typeof getRequestListener>[0]): void
  /** Takes no new connections; open ones may finish until `closeAll`. */
  close(): void
  /** Cuts what is still open. Resolves when nothing is. */
  closeAll(): Promise<void>
}

/** @throws the listener's error, such as EADDRINUSE */
export async function listen(host: string, port: number): Promise<Listener> {
  let handle = getRequestListener(
    () => new Response('Holdpoint is starting.\n', { status: 503, headers: { 'retry-after': '1' } }),
  )
  const server: Server = createServer((request, response) => void handle(request, response))
  // Only until the request has arrived; its answer may take hours. The MCP endpoint is stricter by itself.
  server.requestTimeout = 60_000
  server.headersTimeout = 20_000
  server.keepAliveTimeout = 65_000
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  const closed = new Promise<void>((resolve) => server.once('close', resolve))
  return {
    port: portOf(server.address()),
    serve(fetch) {
      handle = getRequestListener(fetch, { overrideGlobalObjects: false })
    },
    close() {
      server.close()
      server.closeIdleConnections()
    },
    async closeAll() {
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('not listening on a port')
  return address.port
}
