/**
 * A TCP proxy that fails the way networks fail. It stands in front of PostgreSQL, Redis, an upstream or the Slack double, and
 * everything it does to a connection is what the two ends would see on a real network.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

export interface Weather {
  /** Every piece arrives so much later, in either direction. */
  readonly delayMs?: number
  /** Pieces are cut to this many bytes, each a write of its own. */
  readonly sliceBytes?: number
  /** A reset of both ends after so many bytes from the client (`up`) or from the server (`down`) of one connection. */
  readonly resetAfter?: { readonly up?: number; readonly down?: number }
}

export interface FaultProxy {
  readonly port: number
  /** Of connections that are made from now on, and of those there are. */
  weather(weather: Weather): void
  /** Nothing arrives any more and nobody is told: no FIN, no RST. `'established'`: new connections work. */
  blackhole(which: 'established' | 'all'): void
  /** Resets every connection. */
  cut(): void
  /** Closes the door: `ECONNREFUSED`, and every connection is reset. */
  refuse(): Promise<void>
  /** Good weather; new connections are taken and go to the target. What was cut or swallowed stays so. */
  heal(): Promise<void>
  /** Where new connections lead. */
  target(port: number): void
  /** Connections accepted so far. */
  accepted(): number
  close(): Promise<void>
}

interface Pair {
  readonly client: Socket
  readonly server: Socket
  isSwallowed: boolean
}

export async function startFaultProxy(targetPort: number): Promise<FaultProxy> {
  const pairs = new Set<Pair>()
  let leadsTo = targetPort
  let now: Weather = {}
  let swallowsNew = false
  let accepted = 0

  const door = createServer({ allowHalfOpen: true }, (client) => {
    accepted++
    const server = connect({ port: leadsTo, host: '127.0.0.1', allowHalfOpen: true })
    const pair: Pair = { client, server, isSwallowed: swallowsNew }
    pairs.add(pair)
    for (const socket of [client, server]) socket.setNoDelay(true)
    carry(pair, client, server, 'up')
    carry(pair, server, client, 'down')
  })

  function carry(pair: Pair, from: Socket, to: Socket, way: 'up' | 'down'): void {
    let bytes = 0
    let order = Promise.resolve()
    /** In the order in which it came, however late. */
    const later = (act: () => void) => {
      const due = now.delayMs === undefined ? null : wait(now.delayMs)
      order = order
        .then(() => due)
        .then(() => {
          if (!pair.isSwallowed) act()
        })
    }
    from.on('data', (chunk: Buffer) => {
      if (pair.isSwallowed) return
      const limit = now.resetAfter?.[way]
      const rest = limit === undefined ? chunk.length : Math.max(0, limit - bytes)
      bytes += chunk.length
      const passed = chunk.subarray(0, rest)
      for (const piece of slices(passed, now.sliceBytes ?? passed.length)) {
        later(() => {
          if (to.writable) to.write(piece)
        })
      }
      // What passed shall have arrived before the end does.
      if (limit !== undefined && bytes >= limit) later(() => setTimeout(() => reset(pair), 10))
    })
    from.on('end', () => later(() => to.end()))
    from.on('error', () => {
      if (!pair.isSwallowed) reset(pair)
    })
    from.on('close', () => {
      if (pair.client.destroyed && pair.server.destroyed) pairs.delete(pair)
    })
  }

  function reset(pair: Pair): void {
    for (const socket of [pair.client, pair.server]) if (!socket.destroyed) socket.resetAndDestroy()
  }

  async function listen(port: number): Promise<number> {
    door.listen(port, '127.0.0.1')
    await once(door, 'listening')
    const address = door.address()
    assert(address !== null && typeof address === 'object')
    return address.port
  }

  async function refuse(): Promise<void> {
    const closed = door.listening ? once(door, 'close') : null
    door.close()
    cut()
    await closed
  }

  function cut(): void {
    for (const pair of pairs) reset(pair)
  }

  const port = await listen(0)
  return {
    port,
    weather(weather) {
      now = weather
    },
    blackhole(which) {
      swallowsNew = which === 'all'
      for (const pair of pairs) pair.isSwallowed = true
    },
    cut,
    refuse,
    async heal() {
      now = {}
      swallowsNew = false
      if (!door.listening) await listen(port)
    },
    target(to) {
      leadsTo = to
    },
    accepted: () => accepted,
    close: refuse,
  }
}

function* slices(chunk: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < chunk.length; at += size) yield chunk.subarray(at, at + size)
}

const wait = (ms: number) => new Promise<void>((done) => setTimeout(done, ms))
