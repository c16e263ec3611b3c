/** Reads along with the lists of tools that pass, without holding them up: what is read is a copy, looked at after it has gone. */
import { z } from 'zod'
import type { JsonObject } from '../../domain/canonical.ts'
import { parseJson } from '../upstream/peek.ts'

/** Told of what a server lists, one page. Returns at once. @param isLast no other page follows it */
export type ToolsSeen = (server: string, listed: readonly JsonObject[], isLast: boolean) => void

// What JSON.parse made is JSON all the way down; only the outermost shape is in question.
const jsonObject = z.custom<JsonObject>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
)
const listingSchema = z.object({
  result: z.object({ tools: z.array(jsonObject), nextCursor: z.string().nullish() }),
})

/** @param rawMessage one JSON-RPC message; whatever is not a list of tools is passed over */
export function toolsIn(rawMessage: string): { tools: readonly JsonObject[]; isLast: boolean } | null {
  if (!rawMessage.includes('"tools"')) return null
  const listing = listingSchema.safeParse(parseJson(rawMessage))
  if (!listing.success) return null
  const { tools, nextCursor = null } = listing.data.result
  return { tools, isLast: nextCursor === null }
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
  const tell = () => {
    if (text.length > bytesMax) return
    const messages = isStream ? messagesOf(text) : [text]
    // The client has its answer first.
    setImmediate(() => onMessages(messages))
  }
  const reader = response.body.getReader()
  const copy = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await reader.read()
        if (done) {
          tell()
          return controller.close()
        }
        controller.enqueue(value)
        if (text.length <= bytesMax) text += decoder.decode(value, { stream: true })
      },
      // A client that leaves as soon as it has read the list has seen it all the same.
      async cancel(reason) {
        tell()
        await reader.cancel(reason)
      },
    },
    { highWaterMark: 0 },
  )
  return new Response(copy, response)
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
