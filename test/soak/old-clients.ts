/** Clients of HTTP+SSE (MCP 2024-11-05) in a round: what they do, what they leave, and how they come back. */
import { openOldStream } from '../support/old-stream.ts'
import { callOf } from '../traps/raw-client.ts'
import { type Site, succeeds, type Tally } from './tally.ts'

const initialize =
  '{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2024-11-05","capabilities":{},"clientInfo":{"name":"old","version":"1"}}}'

/** @param gated the tool about which people decide; `null`: there is none */
async function converse(
  site: Site,
  tally: Tally,
  { url, marker, tool, gated }: { url: string; marker: object; tool: string; gated: string | null },
): Promise<void> {
  const first = await openOldStream(url, site.token, null)
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
  const again = await openOldStream(url, site.token, first.sealed())
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
