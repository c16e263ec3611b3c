/** Clients of HTTP+SSE (MCP 2024-11-05) in a round: what they do, what they leave, and how they come back. */
import { readEvents } from '../../src/mcp/sse.ts'
import { callOf, type RawAnswer } from '../traps/raw-client.ts'
import { type Site, succeeds, type Tally } from './tally.ts'

const WAIT_MS_MAX = 30_000

/** One stream, and the messages on it. @param lastEventId of an earlier stream */
async function openStream(url: string, token: string, lastEventId: string | null) {
  const leaving = new AbortController()
  const authorization = `Bearer ${token}`
  const response = await fetch(url, {
    headers: {
      authorization,
      accept: 'text/event-stream',
      ...(lastEventId === null ? {} : { 'last-event-id': lastEventId }),
    },
    signal: leaving.signal,
  })
  const messages: string[] = []
  let endpoint: string | null = null
  let sealed: string | null = lastEventId
  let isOver = false
  let wake = () => {}
  void (async () => {
    try {
      if (response.body !== null)
        for await (const { type, data, id } of readEvents(response.body, { charactersMax: 1_000_000 })) {
          if (type === 'endpoint') endpoint = data
          else messages.push(data)
          sealed = id ?? sealed
          wake()
        }
    } catch {
      // Left, or cut.
    }
    isOver = true
    wake()
  })()

  async function until(isSo: () => boolean): Promise<void> {
    const untilMs = performance.now() + WAIT_MS_MAX
    while (!isSo() && !isOver && performance.now() < untilMs)
      await new Promise<void>((done) => {
        wake = done
        setTimeout(done, 1_000)
      })
  }

  const post = async (body: string): Promise<number> => {
    const posted = await fetch(new URL(endpoint ?? '/nowhere', url), {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      body,
    })
    await posted.text()
    return posted.status
  }

  await until(() => endpoint !== null)
  return {
    post,
    sealed: () => sealed,
    isOver: () => isOver,
    leave: () => leaving.abort(),
    /** Posts a request and waits for its answer on the stream. */
    async ask(rawId: string, body: string): Promise<RawAnswer> {
      const status = await post(body)
      const isAnswer = (message: string) =>
        /"(result|error)":/.test(message) && message.includes(`"id":${rawId}`)
      if (status < 400) await until(() => messages.some(isAnswer))
      return { status, headers: new Headers(), messages: messages.filter(isAnswer) }
    },
  }
}

const initialize =
  '{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2024-11-05","capabilities":{},"clientInfo":{"name":"old","version":"1"}}}'

/** @param gated the tool about which people decide; `null`: there is none */
async function converse(
  site: Site,
  tally: Tally,
  { url, marker, tool, gated }: { url: string; marker: object; tool: string; gated: string | null },
): Promise<void> {
  const first = await openStream(url, site.token, null)
  await succeeds(tally, '0', first.ask('0', initialize))
  await first.post('{"jsonrpc":"2.0","method":"notifications/initialized"}')
  await succeeds(tally, '70', first.ask('70', '{"jsonrpc":"2.0","id":70,"method":"tools/list"}'))
  await Promise.all(
    ['71', '72'].map((rawId) => succeeds(tally, rawId, first.ask(rawId, callOf(tool, rawId)))),
  )
  if (gated !== null) {
    await Promise.all([
      succeeds(tally, '73', first.ask('73', callOf(gated, '73', '{}', { ...marker, wish: 'approve' }))),
      succeeds(tally, '74', first.ask('74', callOf(gated, '74', '{}', { ...marker, wish: 'reject' }))),
    ])
    // Left while it waits for people.
    await first.post(callOf(gated, '75', '{}', { ...marker, wish: 'reject', left: true }))
  }
  first.leave()
  const again = await openStream(url, site.token, first.sealed())
  await succeeds(tally, '76', again.ask('76', '{"jsonrpc":"2.0","id":76,"method":"ping"}'))
  again.leave()
}

/** Against servers of every kind, at each gateway. */
export async function oldClients(site: Site, tally: Tally, round: number): Promise<void> {
  const places = [
    { server: 'stdio', tool: 'burst', gated: 'gated' },
    { server: 'http', tool: 'burst', gated: null },
    { server: 'modern', tool: 'report', gated: 'logout' },
    { server: 'old', tool: 'echo', gated: 'logout' },
  ]
  await Promise.all(
    places.map(({ server, tool, gated }, at) =>
      converse(site, tally, {
        url: `${site.urls[(at + round) % site.urls.length]}/mcp/${server}`,
        marker: { round, server, transport: 'sse' },
        ...{ tool, gated },
      }),
    ),
  )
}
