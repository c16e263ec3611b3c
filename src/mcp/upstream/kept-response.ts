/** A response that may have to wait, or be looked into, before it is passed on: its whole body, as far as it is worth keeping. */
import { isEventStream } from './messages.ts'
import type { WireResponse } from './wire.ts'

export interface KeptResponse extends WireResponse {
  /** `null`: it has none, or one that was not read. */
  readonly text: string | null
}

/** The event stream of a request that was accepted is left as it is. What is larger than allowed is cut. @throws what broke the body off */
export async function keptResponse(response: WireResponse, bytesMax: number): Promise<KeptResponse> {
  if (response.body === null || (response.status < 300 && isEventStream(response)))
    return { ...response, text: null }
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body) {
    const room = bytesMax - bytes
    chunks.push(chunk.subarray(0, room))
    bytes += chunk.byteLength
    if (bytes > bytesMax) break
  }
  const whole = Buffer.concat(chunks)
  return { ...response, text: whole.toString('utf8'), body: streamOf(whole) }
}

function streamOf(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      if (bytes.byteLength > 0) controller.enqueue(bytes)
      controller.close()
    },
  })
}
