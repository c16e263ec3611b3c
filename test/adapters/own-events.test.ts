/** Messages of ours on somebody else's stream: between its events, whatever its chunks, and never inside one. */
import { expect, test } from 'vitest'
import { createOwnEvents } from '../../src/mcp/downstream/own-events.ts'

const ours = '{"ours":1}'
const event = `event: message\ndata: ${ours}\n\n`

/** Feeds chunk by chunk and says something of ours after each. */
async function joined(chunks: readonly string[]): Promise<string> {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
  const writer = writable.getWriter()
  const events = createOwnEvents(readable, () => {})
  const reader = events.body.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  const reading = (async () => {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      text += value
    }
  })()
  for (const chunk of chunks) {
    await writer.write(new TextEncoder().encode(chunk))
    events.send(ours)
  }
  await writer.close()
  await reading
  return text
}

test.each([
  ['LF', 'id: 1\nevent: message\ndata: {"a":1}\n\n: comment\n\ndata: {"b":\ndata: 2}\n\n'],
  ['CRLF', 'id: 1\r\ndata: {"a":1}\r\n\r\n: comment\r\n\r\ndata: {"b":\r\ndata: 2}\r\n\r\n'],
  ['CR', 'data: {"a":1}\r\rdata: 2\r\r'],
])('come between events that end with %s', async (_name, text) => {
  for (let cut = 1; cut < text.length; cut++) {
    const all = await joined([text.slice(0, cut), text.slice(cut)])
    expect(all.replaceAll(event, '')).toBe(text)
    const [before = ''] = all.split(event)
    expect(before === '' || /(\n\n|\r\n\r\n|\r\r)$/.test(before) || before === text).toBe(true)
  }
})

test('what nobody reads is bounded: the oldest goes', async () => {
  const events = createOwnEvents(null, () => {})
  for (let n = 0; n < 5_000; n++) events.send(`{"n":${n},"filler":"${'x'.repeat(100)}"}`)
  events.end()
  const text = await new Response(events.body).text()
  expect(text.length).toBeLessThan(100_000)
})

test('its end is told once, whoever ends it', async () => {
  let ends = 0
  const ended = createOwnEvents(null, () => ends++)
  ended.end()
  ended.end()
  const left = createOwnEvents(null, () => ends++)
  await left.body.cancel()
  left.send(ours)
  left.end()
  expect(ends).toBe(2)
})
