/** Reads along with the lists of tools that pass, without holding them up: what is read is a copy, looked at after it has gone. */
import { z } from 'zod'
import type { JsonObject } from '../../domain/canonical.ts'
import { parseJson } from '../upstream/peek.ts'

/** Told of what a server lists, some or all of its tools. Returns at once. */
export type ToolsSeen = (server: string, listed: readonly JsonObject[]) => void

// What JSON.parse made is JSON all the way down; only the outermost shape is in question.
const jsonObject = z.custom<JsonObject>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
)
const listingSchema = z.object({ result: z.object({ tools: z.array(jsonObject) }) })

/** @param rawMessage one JSON-RPC message; whatever is not a list of tools is passed over */
export function toolsIn(rawMessage: string): readonly JsonObject[] {
  if (!rawMessage.includes('"tools"')) return []
  const listing = listingSchema.safeParse(parseJson(rawMessage))
  return listing.success ? listing.data.result.tools : []
}

/** The same response, whose messages are told once it has passed. Beyond `bytesMax` nothing is kept. */
export function watched(
  response: Response,
  bytesMax: number,
  onMessages: (raw: readonly string[]) => void,
): Response {
  if (response.body === null || response.status >= 300) return response
  const isStream = (response.headers.get('content-type') ?? '').toLowerCase().includes('text/event-stream')
  const decoder = new TextDecoder()
  let text = ''
  const copy = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      controller.enqueue(chunk)
      if (text.length <= bytesMax) text += decoder.decode(chunk, { stream: true })
    },
    flush() {
      if (text.length > bytesMax) return
      const messages = isStream ? messagesOf(text) : [text]
      // The client has its answer first.
      setImmediate(() => onMessages(messages))
    },
  })
  return new Response(response.body.pipeThrough(copy), response)
}

/** WHATWG HTML, section 9.2: the data lines of each event. */
function messagesOf(stream: string): string[] {
  return stream
    .split(/(?:\r\n|\n|\r(?!\n)){2}/)
    .map((event) =>
      event
        .split(/\r\n|\n|\r/)
        .filter((line) => line.startsWith('data:'))
        .map((line) => line.slice('data:'.length).replace(/^ /, ''))
        .join('\n'),
    )
    .filter((message) => message !== '')
}
