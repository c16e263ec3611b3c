/** The messages of an upstream's answer, raw and in order, whether it came as JSON or as an event stream. */
import { readEvents } from '../../sse.ts'
import type { WireResponse } from '../wire.ts'

/** @throws whatever broke the answer off */
export async function* messagesOf(response: WireResponse, bytesMax: number): AsyncGenerator<string> {
  const { body, headers } = response
  if (body === null) return
  if ((headers['content-type'] ?? '').toLowerCase().startsWith('text/event-stream')) {
    for await (const { data } of readEvents(body, { charactersMax: bytesMax })) yield data
    return
  }
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.byteLength
    if (bytes > bytesMax) throw new Error(`an answer is larger than ${bytesMax} bytes`)
    chunks.push(chunk)
  }
  if (bytes > 0) yield Buffer.concat(chunks).toString('utf8')
}
