/** One address before several gateways, as a load balancer is: a client keeps its URL while gateways die behind it. */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

export interface Front {
  /** Where clients connect; the path goes on to the gateway as it is. */
  readonly url: string
  /** New connections go there. Those that stand stay until they end. */
  pointTo(gatewayUrl: string): void
  close(): Promise<void>
}

export async function startFront(): Promise<Front> {
  let target: URL | null = null
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    if (target === null) return near.destroy()
    const far = connect(Number(target.port), target.hostname)
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.once('close', () => {
        sockets.delete(socket)
        near.destroy()
        far.destroy()
      })
      // A gateway that was killed resets; that is what the test is about.
      socket.on('error', () => socket.destroy())
    }
    near.pipe(far).pipe(near)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the front has no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    pointTo(url) {
      target = new URL(url)
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
