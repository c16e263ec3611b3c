/** A port that nobody listens on, for programs that cannot be told to take any. */
import { createServer } from 'node:net'

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
