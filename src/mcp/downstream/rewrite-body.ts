/** Rewrites the messages in a response body, as JSON or as server-sent events; all other bytes stay as they are. */
import type { Rewrite } from './hidden-tools.ts'

/** The answer cannot be looked into, so it is not passed on. */
export class Unreadable extends Error {
  constructor(reason: string, options?: ErrorOptions) {
    super(reason, options)
    this.name = 'Unreadable'
  }
}

/** @throws Unreadable */
export async function rewriteJson(
  body: ReadableStream<Uint8Array>,
  rewrite: Rewrite,
  bytesMax: number,
): Promise<string> {
  const text = await readAll(body, bytesMax)
  // A list of messages, or what is no JSON at all, could hold anything.
  if (!text.trimStart().startsWith('{')) throw new Unreadable('its answer is not one JSON object')
  return rewrite(text)
}

async function readAll(body: ReadableStream<Uint8Array>, bytesMax: number): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  try {
    for await (const chunk of body) {
      bytes += chunk.byteLength
      if (bytes > bytesMax) break
      chunks.push(chunk)
    }
  } catch (error) {
    throw new Unreadable('its answer broke off', { cause: error })
  }
  if (bytes > bytesMax) throw new Unreadable(`its answer is larger than ${bytesMax} bytes`)
  return new TextDecoder().decode(Buffer.concat(chunks))
}

/** An event that outgrows the limit breaks the stream with `Unreadable`. */
export function rewriteEvents(
  body: ReadableStream<Uint8Array>,
  rewrite: Rewrite,
  charactersMax: number,
): ReadableStream<Uint8Array> {
  // Takes a byte order mark away, as readers of event streams do.
  const decoder = new TextDecoder()
  const encoder = new TextEncoder()
  let unfinished = ''
  return body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        unfinished += decoder.decode(chunk, { stream: true })
        const { events, rest } = splitEvents(unfinished)
        unfinished = rest
        if (rest.length > charactersMax) {
          throw new Unreadable(`an event is larger than ${charactersMax} characters`)
        }
        if (events.length > 0) {
          controller.enqueue(encoder.encode(events.map((event) => rewriteEvent(event, rewrite)).join('')))
        }
      },
      flush(controller) {
        if (unfinished !== '') controller.enqueue(encoder.encode(rewriteEvent(unfinished, rewrite)))
      },
    }),
  )
}

/** A line ends with CRLF, LF or CR, and an empty line ends an event (WHATWG HTML, section 9.2). */
const endOfEvent = /(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r(?!\n))/g
const lineEnd = /\r\n|\n|\r/

/** Each event with the empty line behind it. */
function splitEvents(text: string): { events: string[]; rest: string } {
  const events: string[] = []
  let start = 0
  for (const match of text.matchAll(endOfEvent)) {
    const end = match.index + match[0].length
    // A CR at the end of a chunk may be half of a CRLF.
    if (end === text.length && text.endsWith('\r')) break
    events.push(text.slice(start, end))
    start = end
  }
  return { events, rest: text.slice(start) }
}

function rewriteEvent(event: string, rewrite: Rewrite): string {
  const lines = event.split(lineEnd)
  const isData = (line: string) => line === 'data' || line.startsWith('data:')
  const message = lines
    .filter(isData)
    .map((line) => line.slice('data:'.length).replace(/^ /, ''))
    .join('\n')
  if (message === '') return event
  const rewritten = rewrite(message)
  if (rewritten === message) return event
  const others = lines.filter((line) => !isData(line) && line !== '')
  const data = rewritten.split(lineEnd).map((line) => `data: ${line}`)
  return `${[...others, ...data].join('\n')}\n\n`
}
