/** Held requests as any client makes them, by the thousand: without a client library's state for each. */
import { Agent } from 'undici'

/** The JSON-RPC id of the n-th call. */
export const requestIdOf = (n: number) => n + 1_000

export function rawCaller() {
  const connections = new Agent({ connections: null, headersTimeout: 0, bodyTimeout: 0 })
  return {
    /** Resolves when it is held or answered, with its whole answer as text to come. */
    async call(endpoint: string, token: string, session: string, n: number) {
      const { origin, pathname: path } = new URL(endpoint)
      const response = await connections.request({
        origin,
        path,
        method: 'POST',
        headers: {
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          'mcp-session-id': session,
          'mcp-protocol-version': '2025-11-25',
        },
        body: JSON.stringify({
          jsonrpc: '2.0',
          id: requestIdOf(n),
          method: 'tools/call',
          params: { name: 'create_refund', arguments: { charge: n } },
        }),
      })
      return { answer: response.body.text().catch((error: unknown) => `BROKEN ${String(error)}`) }
    },
    close: () => connections.close(),
  }
}
