/**
 * An upstream's event stream on its way to the client, with an answer of ours at its end where the upstream gave none and the
 * client could not come back for it: otherwise it would wait for ever. All bytes of the upstream pass as they are.
 */
import { messageEvent } from '../sse.ts'

interface Options {
  /** The raw message that takes the place of the answer that did not come. */
  readonly missing: (reason: string) => string
  /** Whether the client resumes a stream whose events have ids (MCP 2025-03-26 to 2025-11-25). */
  readonly isResumable: boolean
}

export function answeredOnce(
  body: ReadableStream<Uint8Array>,
  { missing, isResumable }: Options,
): ReadableStream<Uint8Array> {
  const reader = body.getReader()
  const scan = createScan()

  function lastWord(reason: string, controller: ReadableStreamDefaultController<Uint8Array>): boolean {
    if (scan.sawAnswer() || (isResumable && scan.sawEventId())) return false
    // What was begun and broke off must not swallow it.
    controller.enqueue(new TextEncoder().encode(`\n\n${messageEvent(missing(reason))}`))
    return true
  }

  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read()
          if (!done) {
            scan.feed(value)
            return controller.enqueue(value)
          }
          lastWord('it ended its stream without an answer', controller)
          controller.close()
        } catch (error) {
          if (lastWord(error instanceof Error ? error.message : String(error), controller)) controller.close()
          else controller.error(error)
        }
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  )
}

const [LF, CR, QUOTE, BACKSLASH, COLON] = [0x0a, 0x0d, 0x22, 0x5c, 0x3a]
const [OPEN_OBJECT, OPEN_ARRAY, CLOSE_OBJECT, CLOSE_ARRAY] = [0x7b, 0x5b, 0x7d, 0x5d]
/** Longer than any field name and key that is looked for. */
const WORD_LENGTH_MAX = 16

/**
 * Looks at each byte once and keeps none: whether an event carried an id, and whether one was an answer, which is a message
 * with `result` or `error` on its first level.
 */
function createScan() {
  let isAnswered = false
  let hasEventId = false
  /** The name of the field, until its colon. */
  let field: string | null = ''
  let isData = false
  let depth = 0
  let isInString = false
  let isEscaped = false
  let word = ''
  let isAfterCr = false

  function json(byte: number): void {
    if (isInString) {
      if (isEscaped) isEscaped = false
      else if (byte === BACKSLASH) isEscaped = true
      else if (byte === QUOTE) isInString = false
      if (isInString && depth === 1 && word.length <= WORD_LENGTH_MAX) word += String.fromCharCode(byte)
    } else if (byte === QUOTE) {
      isInString = true
      word = ''
    } else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) depth++
    else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) depth--
    else if (byte === COLON && depth === 1 && (word === 'result' || word === 'error')) isAnswered = true
  }

  function lineEnd(): void {
    // An empty line ends an event: what its data left open is over.
    if (field === '') {
      depth = 0
      isInString = false
      isEscaped = false
    }
    field = ''
    isData = false
  }

  return {
    feed(chunk: Uint8Array): void {
      for (const byte of chunk) {
        const isSecondHalf = byte === LF && isAfterCr
        isAfterCr = byte === CR
        if (isSecondHalf) continue
        if (byte === LF || byte === CR) lineEnd()
        else if (isData) json(byte)
        else if (field === null) continue
        else if (byte === COLON) {
          isData = field === 'data'
          hasEventId ||= field === 'id'
          field = null
        } else if (field.length <= WORD_LENGTH_MAX) field += String.fromCharCode(byte)
      }
    },
    sawAnswer: () => isAnswered,
    sawEventId: () => hasEventId,
  }
}
