/** The messages of a response of our own, raw and in order, never larger than allowed. What is no message is left out. */
import { rawItems } from '../../raw-json.ts'
import { readEvents } from '../../sse.ts'
import { type Peek, peek } from '../../upstream/peek.ts'
import type { Unread } from './unread.ts'

interface Said {
  readonly text: string
  readonly message: Peek
}

interface MessagesOptions {
  readonly bytesMax: number
  /** Ends the reading and leaves the response. */
  readonly signal: AbortSignal
  /** What has been read counts until the next message is asked for. */
  readonly unread: Unread
}

/** @throws what broke it off, or that it is too large */
export async function* messagesOf(response: Response, options: MessagesOptions): AsyncGenerator<Said> {
  for await (const text of textsOf(response, options)) {
    const message = peek(text)
    // A server of 2025-03-26 may answer with several messages in one.
    if (message.kind === 'batch') yield* rawItems(text).map((item) => ({ text: item, message: peek(item) }))
    else if (message.kind !== 'invalid') yield { text, message }
  }
}

async function* textsOf(response: Response, options: MessagesOptions): AsyncGenerator<string> {
  if (response.body === null) return
  const { signal, unread } = options
  const type = (response.headers.get('content-type') ?? '').toLowerCase()
  const texts = type.startsWith('text/event-stream') ? eventTexts : wholeText
  try {
    yield* texts(chunksOf(response.body, signal), options)
  } finally {
    unread.hold(0)
  }
}

async function* eventTexts(
  body: AsyncIterable<Uint8Array>,
  { bytesMax, unread }: MessagesOptions,
): AsyncGenerator<string> {
  let isTaken = false
  async function* counted() {
    let bytes = 0
    for await (const chunk of body) {
      bytes += chunk.byteLength
      unread.hold(bytes)
      isTaken = false
      yield chunk
      // What had ended in it has been taken. A server may write the end of an event by itself.
      const end = endOfEvents(chunk)
      if (end > 0 || isTaken) bytes = chunk.byteLength - end
      unread.hold(bytes)
    }
  }
  for await (const { type, data } of readEvents(counted(), { charactersMax: bytesMax })) {
    // An event without a message only says how a stream is resumed.
    if (type === 'message' && data !== '') yield data
    isTaken = true
  }
}

/** @returns where the last event, or comment, that ends in this chunk has ended; 0: none does */
function endOfEvents(chunk: Uint8Array): number {
  const buffer = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
  const ends = ['\n\n', '\r\n\r\n', '\r\r'].map((end) => {
    const at = buffer.lastIndexOf(end)
    return at < 0 ? 0 : at + end.length
  })
  return Math.max(...ends)
}

async function* wholeText(
  body: AsyncIterable<Uint8Array>,
  { bytesMax, unread }: MessagesOptions,
): AsyncGenerator<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.byteLength
    if (bytes > bytesMax) throw new Error(`an answer is larger than ${bytesMax} bytes`)
    unread.hold(bytes)
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
