/** A client that says exactly what a test says, over real HTTP, and shows every byte that comes back. */
import { readEvents } from '../../src/mcp/sse.ts'

export interface RawAnswer {
  readonly status: number
  readonly headers: Headers
  /** Every JSON-RPC message, raw, in the order in which they came. */
  readonly messages: readonly string[]
}

export function aRawClient(url: string, token: string) {
  let session: string | null = null

  const send = (body: string, headers: Record<string, string> = {}, signal: AbortSignal | null = null) =>
    fetch(url, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...(session === null ? {} : { 'mcp-session-id': session }),
        ...headers,
      },
      body,
      signal,
    })

  async function post(body: string, headers: Record<string, string> = {}): Promise<RawAnswer> {
    return answerOf(await send(body, headers))
  }

  return {
    send,
    post,
    session: () => session,
    /** Opens a session, with the two messages of the handshake. */
    async open(revision = '2025-11-25', capabilities: object = {}) {
      const params = { protocolVersion: revision, capabilities, clientInfo: { name: 'raw', version: '1' } }
      const opened = await send(JSON.stringify({ jsonrpc: '2.0', id: 0, method: 'initialize', params }))
      session = opened.headers.get('mcp-session-id')
      const answer = await answerOf(opened)
      await post('{"jsonrpc":"2.0","method":"notifications/initialized"}', {
        'mcp-protocol-version': revision,
      })
      return answer
    },
    /** A call of 2025-11-25. @param rawId as it stands in the message */
    call: (tool: string, rawId: string, rawMeta = '{}', args: object = {}) =>
      post(callOf(tool, rawId, rawMeta, args), { 'mcp-protocol-version': '2025-11-25' }),
    modernCall: (tool: string, rawId: string, rawToken: string | null = null) =>
      post(modernCallOf(tool, rawId, rawToken), modernHeaders(tool)),
    listen: (signal: AbortSignal) =>
      fetch(url, {
        headers: {
          authorization: `Bearer ${token}`,
          accept: 'text/event-stream',
          'mcp-protocol-version': '2025-11-25',
          'mcp-session-id': session ?? '',
        },
        signal,
      }),
    end: () =>
      fetch(url, {
        method: 'DELETE',
        headers: { authorization: `Bearer ${token}`, 'mcp-session-id': session ?? '' },
      }),
  }
}

export const callOf = (tool: string, rawId: string, rawMeta = '{}', args: object = {}) =>
  `{"jsonrpc":"2.0","id":${rawId},"method":"tools/call","params":{"name":"${tool}","arguments":${JSON.stringify(args)},"_meta":${rawMeta}}}`

export const modernHeaders = (tool: string) => ({
  'mcp-protocol-version': '2026-07-28',
  'mcp-method': 'tools/call',
  'mcp-name': tool,
})

export function modernCallOf(tool: string, rawId: string, rawToken: string | null = null): string {
  const token = rawToken === null ? '' : `,"progressToken":${rawToken}`
  return callOf(
    tool,
    rawId,
    `{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}${token}}`,
  )
}

async function answerOf(response: Response): Promise<RawAnswer> {
  const { status, headers } = response
  const messages: string[] = []
  if (headers.get('content-type')?.startsWith('text/event-stream') && response.body !== null) {
    for await (const { data } of readEvents(response.body, { charactersMax: 1_000_000 }))
      if (data !== '') messages.push(data)
  } else {
    const text = await response.text().catch(() => '')
    if (text.startsWith('{')) messages.push(text)
  }
  return { status, headers, messages }
}
