/** The console of a test world on a real socket, for browsers. */
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import type { ConsoleWorld } from './console-world.ts'

export async function serveConsole(world: ConsoleWorld): Promise<{ url: string; close(): Promise<void> }> {
  const app = new Hono().route('/', world.app)
  const server = await new Promise<ReturnType<typeof serve>>((resolve) => {
    const listening = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, () => resolve(listening))
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    async close() {
      world.gateway.stop.abort()
      if ('closeAllConnections' in server) server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}
