/** What is read of a list while it passes, also where its reader leaves. */
import { expect, test } from 'vitest'
import { toolsIn, watched } from '../../src/mcp/downstream/watch-lists.ts'

const page = (nextCursor?: string) =>
  JSON.stringify({ jsonrpc: '2.0', id: 1, result: { tools: [{ name: 'get_page' }], nextCursor } })

test('a page says whether it is the last', () => {
  expect(toolsIn(page())).toEqual({ tools: [{ name: 'get_page' }], isLast: true })
  expect(toolsIn(page('2'))).toMatchObject({ isLast: false })
  expect(toolsIn('{"jsonrpc":"2.0","id":1,"result":{"tools":{}}}')).toBeNull()
  expect(toolsIn('{"jsonrpc":"2.0","id":1,"result":{}}')).toBeNull()
})

test('a client that reads its answer from a stream and leaves has seen the list, and the server is told that it left', async () => {
  const told: (readonly string[])[] = []
  let isCancelled = false
  const body = new ReadableStream<Uint8Array>({
    start: (controller) =>
      controller.enqueue(new TextEncoder().encode(`event: message\ndata: ${page()}\n\n`)),
    cancel() {
      isCancelled = true
    },
  })
  const response = new Response(body, { headers: { 'content-type': 'text/event-stream' } })
  const reader = watched(response, 10_000, (messages) => told.push(messages)).body?.getReader()
  expect(new TextDecoder().decode((await reader?.read())?.value)).toContain('get_page')
  await reader?.cancel()
  expect(isCancelled).toBe(true)
  await expect.poll(() => told, { timeout: 10_000 }).toEqual([[page()]])
})
