/** The messages of a response of our own, raw and in order, never larger than allowed. What is no message is left out. */
import { rawItems } from '../../raw-json.ts'
import { readEvents } from '../../sse.ts'
import { type Peek, peek } from '../../upstream/peek.ts'

interface Said {
  readonly text: string
  readonly message: Peek
}

/** @param signal ends the reading and leaves the response. @throws what broke it off, or that it is too large */
export async function* messagesOf(
  response: Response,
  bytesMax: number,
  signal: AbortSignal,
): AsyncGenerator<Said> {
  for await (const text of textsOf(response, bytesMax, signal)) {
    const message = peek(text)
    // A server of 2025-03-26 may answer with several messages in one.
    if (message.kind === 'batch') yield* rawItems(text).map((item) => ({ text: item, message: peek(item) }))
    else if (message.kind !== 'invalid') yield { text, message }
  }
}

async function* textsOf(response: Response, bytesMax: number, signal: AbortSignal): AsyncGenerator<string> {
  if (response.body === null) return
  const body = chunksOf(response.body, signal)
  const type = (response.headers.get('content-type') ?? '').toLowerCase()
  if (type.startsWith('text/event-stream')) {
    for await (const { type, data } of readEvents(body, { charactersMax: bytesMax })) {
      // An event without a message only says how a stream is resumed.
      if (type === 'message' && data !== '') yield data
    }
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

/** A reader that waits for more is not ended by anything but the cancelling of what it reads. */
async function* chunksOf(body: ReadableStream<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const reader = body.getReader()
  const leave = () => void reader.cancel().catch(() => {})
  signal.addEventListener('abort', leave, { once: true })
  try {
    while (!signal.aborted) {
      const read = await reader.read()
      if (read.done) return
      yield read.value
    }
  } finally {
    signal.removeEventListener('abort', leave)
    leave()
  }
}
