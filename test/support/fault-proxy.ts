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
  readonly resetAfter?: Ways
  /** The same with a FIN, as a server that closes the connection in the middle. */
  readonly endAfter?: Ways
  /** Only for connections whose client's first piece holds this text. */
  readonly only?: string
}

interface Ways {
  readonly up?: number
  readonly down?: number
}

/** What one connection brought, from each end. */
export interface Carried {
  readonly up: string
  readonly down: string
}

export interface FaultProxy {
  readonly port: number
  /** Of connections that are made from now on, and of those there are. */
  weather(weather: Weather): void
  /** Nothing arrives any more and nobody is told: no FIN, no RST. `'established'`: new connections work. */
  blackhole(which: 'established' | 'all'): void
  /** Resets every connection. */
  cut(): void
  /** Closes the door: `ECONNREFUSED`, and every connection is reset. `'new'`: those that stand go on. */
  refuse(which?: 'new' | 'all'): Promise<void>
  /** Good weather; new connections are taken and go to the target. What was cut or swallowed stays so. */
  heal(): Promise<void>
  /** Where new connections lead. */
  target(port: number): void
  /** Connections accepted so far. */
  accepted(): number
  /** From now on what connections bring is kept, in the order of their making: the witness of what really went over the wire. */
  record(): readonly Carried[]
  close(): Promise<void>
}

interface Pair {
  readonly client: Socket
  readonly server: Socket
  isSwallowed: boolean
  /** The client's first piece. */
  first: Buffer | null
  carried: { up: string; down: string } | null
}

export async function startFaultProxy(targetPort: number): Promise<FaultProxy> {
  const pairs = new Set<Pair>()
  let leadsTo = targetPort
  let now: Weather = {}
  let swallowsNew = false
  let accepted = 0
  let recorded: Carried[] | null = null

  const door = createServer({ allowHalfOpen: true }, (client) => {
    accepted++
    const server = connect({ port: leadsTo, host: '127.0.0.1', allowHalfOpen: true })
    const carried = { up: '', down: '' }
    recorded?.push(carried)
    const pair: Pair = {
      client,
      server,
      isSwallowed: swallowsNew,
      first: null,
      carried: recorded === null ? null : carried,
    }
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
      const delayMs = weatherOf(pair).delayMs
      const due = delayMs === undefined ? null : wait(delayMs)
      order = order
        .then(() => due)
        .then(() => {
          if (!pair.isSwallowed) act()
        })
    }
    from.on('data', (chunk: Buffer) => {
      if (pair.isSwallowed) return
      if (pair.carried !== null) pair.carried[way] += chunk.toString('latin1')
      if (way === 'up') pair.first ??= chunk
      const { resetAfter, endAfter, sliceBytes } = weatherOf(pair)
      const limit = resetAfter?.[way] ?? endAfter?.[way]
      const rest = limit === undefined ? chunk.length : Math.max(0, limit - bytes)
      bytes += chunk.length
      const passed = chunk.subarray(0, rest)
      for (const piece of slices(passed, sliceBytes ?? passed.length)) {
        later(() => {
          if (to.writable) to.write(piece)
        })
      }
      // What passed shall have arrived before the end does.
      if (limit === undefined || bytes < limit) return
      const end = resetAfter?.[way] === undefined ? finish : reset
      later(() => setTimeout(() => end(pair), 10))
    })
    from.on('end', () => later(() => to.end()))
    from.on('error', () => {
      if (!pair.isSwallowed) reset(pair)
    })
    from.on('close', () => {
      if (pair.client.destroyed && pair.server.destroyed) pairs.delete(pair)
    })
  }

  function weatherOf(pair: Pair): Weather {
    return now.only === undefined || pair.first?.includes(now.only) === true ? now : {}
  }

  /** Both ends see an end in good order, too early. */
  function finish(pair: Pair): void {
    pair.isSwallowed = true
    for (const socket of [pair.client, pair.server]) socket.end()
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

  async function refuse(which: 'new' | 'all' = 'all'): Promise<void> {
    const closed = door.listening ? once(door, 'close') : null
    door.close()
    if (which === 'new') return
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
    record() {
      recorded = []
      return recorded
    },
    close: () => refuse(),
  }
}

function* slices(chunk: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < chunk.length; at += size) yield chunk.subarray(at, at + size)
}

const wait = (ms: number) => new Promise<void>((done) => setTimeout(done, ms))
