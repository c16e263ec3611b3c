/** The messages of a response of our own, raw and in order, never larger than allowed. What is no message is left out. */
import { rawItems } from '../../raw-json.ts'
import { readEvents } from '../../sse.ts'
import { type Peek, peek } from '../../upstream/peek.ts'

interface Said {
  readonly text: string
  readonly message: Peek
}

/** @throws what broke it off, or that it is too large */
export async function* messagesOf(response: Response, bytesMax: number): AsyncGenerator<Said> {
  for await (const text of textsOf(response, bytesMax)) {
    const message = peek(text)
    // A server of 2025-03-26 may answer with several messages in one.
    if (message.kind === 'batch') yield* rawItems(text).map((item) => ({ text: item, message: peek(item) }))
    else if (message.kind !== 'invalid') yield { text, message }
  }
}

async function* textsOf(response: Response, bytesMax: number): AsyncGenerator<string> {
  if (response.body === null) return
  const type = (response.headers.get('content-type') ?? '').toLowerCase()
  if (type.startsWith('text/event-stream')) {
    for await (const { type, data } of readEvents(response.body, { charactersMax: bytesMax })) {
      // An event without a message only says how a stream is resumed.
      if (type === 'message' && data !== '') yield data
    }
    return
  }
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body) {
    bytes += chunk.byteLength
    if (bytes > bytesMax) throw new Error(`an answer is larger than ${bytesMax} bytes`)
    chunks.push(chunk)
  }
  if (bytes > 0) yield Buffer.concat(chunks).toString('utf8')
}
