/**
 * A model for real agents to talk to, on this machine, with an errand instead of a mind: it calls the tools that it is sent for,
 * hears what its agent makes of the answers, and goes on by these words.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { text as readText } from 'node:stream/consumers'
import type { Call, Errand } from './client.ts'
import type { Dialect, Move } from './dialects.ts'

export interface Model<Found> {
  readonly origin: string
  /** Whether the agent has asked it anything about the errand. */
  readonly isAsked: boolean
  /** What the errand found, once it is over. */
  readonly found: Promise<Found>
  close(): Promise<void>
}

/** @param server the name under which the agent knows the MCP server */
export async function startModel<Found>(
  dialect: Dialect,
  server: string,
  errand: Errand<Found>,
): Promise<Model<Found>> {
  let resolve: (found: Found) => void = () => {}
  let reject: (error: unknown) => void = () => {}
  const found = new Promise<Found>((done, fail) => {
    resolve = done
    reject = fail
  })
  const moves: Move[] = []
  let turn = 0

  function take(step: IteratorResult<Call, Found>) {
    if (step.done !== true) return void moves.push({ kind: 'call', server, ...step.value })
    moves.push({ kind: 'say', text: 'All is done.' })
    resolve(step.value)
  }

  /** An agent that did not like an answer may ask again: the same conversation gets the same move. */
  function moveAfter(results: readonly (string | null)[]): Move {
    if (moves.length === 0) take(errand.next())
    const last = results.at(-1)
    if (last === null) return { kind: 'say', text: 'I wait for the notification.' }
    if (results.length === moves.length && last !== undefined) take(errand.next(last))
    return moves[results.length] ?? { kind: 'say', text: 'There is nothing else to do.' }
  }

  async function answer(req: IncomingMessage, res: ServerResponse) {
    const body = await readText(req)
    if (req.method !== 'POST' || !dialect.fits(req.url ?? '')) return void res.writeHead(404).end('{}')
    const results = dialect.results(JSON.parse(body))
    // Some ask for a title of the conversation and the like.
    const move: Move = results === null ? { kind: 'say', text: 'ok' } : moveAfter(results)
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    for (const { event, data } of dialect.events(move, ++turn))
      res.write(`${event === undefined ? '' : `event: ${event}\n`}data: ${JSON.stringify(data)}\n\n`)
    res.end()
  }

  const listening = createServer((req, res) => {
    answer(req, res).catch((error: unknown) => {
      reject(error)
      res.destroy()
    })
  })
  listening.listen(0, '127.0.0.1')
  await once(listening, 'listening')
  const address = listening.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    origin: `http://127.0.0.1:${address.port}`,
    get isAsked() {
      return moves.length > 0
    },
    found,
    async close() {
      listening.closeAllConnections()
      await new Promise((done) => listening.close(done))
    },
  }
}
