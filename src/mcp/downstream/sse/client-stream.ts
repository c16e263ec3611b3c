/**
 * The one stream of an HTTP+SSE client. Whole events, one after the other; each is known to have been taken or not, as far as
 * HTTP can tell. A client that takes nothing for too long is cut.
 */
import { comment } from '../../sse.ts'
import { eventHeaders, piecesOf } from '../answer-stream.ts'

export interface ClientStream {
  readonly response: Response
  /** Behind what waits already. Never throws. @returns whether it was taken */
  send(event: string): Promise<boolean>
  /** Keeps the connection alive, unless something waits to be taken. */
  comment(text: string): void
  /** What waits is written before. */
  end(): void
  /** What waits is dropped: it counts as not taken. */
  cut(because: string): void
}

/** @param onLeave the client left, or was cut */
export function createClientStream({
  stalledMs,
  onLeave,
}: {
  readonly stalledMs: number
  readonly onLeave: () => void
}): ClientStream {
  let breakOff: (error: Error) => void = () => {}
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>({
    start: (controller) => {
      breakOff = (error) => controller.error(error)
    },
  })
  const writer = writable.getWriter()
  const encoder = new TextEncoder()
  let last: Promise<unknown> = Promise.resolve()
  let waiting = 0
  writer.closed.catch(onLeave)

  function cut(because: string) {
    breakOff(new Error(because))
  }

  async function write(text: string): Promise<boolean> {
    const patience = setTimeout(() => cut('the client took nothing of its stream and was cut'), stalledMs)
    try {
      for (const piece of piecesOf(text)) {
        await writer.write(encoder.encode(piece))
        patience.refresh()
      }
      return true
    } catch {
      // The client left or was cut, which `closed` has told.
      return false
    } finally {
      clearTimeout(patience)
      waiting--
    }
  }

  function send(text: string): Promise<boolean> {
    waiting++
    const sent = last.then(() => write(text))
    last = sent
    return sent
  }

  return {
    response: new Response(readable, { headers: eventHeaders }),
    send,
    cut,
    comment(text) {
      if (waiting === 0) void send(comment(text))
    },
    end() {
      void last.then(() => writer.close()).catch(() => {})
    },
  }
}
