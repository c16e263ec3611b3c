/** Reads the body of a POST: JSON as plain UTF-8, counted while it arrives, never more and never longer than allowed. */
import type { Limits } from '../../domain/limits.ts'
import type { Principal } from '../../domain/principal.ts'
import { err, ok, type Result } from '../../domain/result.ts'
import { httpCode, PARSE_ERROR, type Refusal, refusal } from './rpc.ts'

/** Time for a body to arrive: 4 MiB over a poor mobile network. Whoever needs longer keeps memory busy. */
export const BODY_MS = 30_000

export type ReadBody = (request: Request, principal: Principal) => Promise<Result<string, Refusal>>

export function createReadBody(
  { bodyBytesMax, bodyBytesInFlightMax }: Pick<Limits, 'bodyBytesMax' | 'bodyBytesInFlightMax'>,
  completeMs: number,
): ReadBody {
  const shareMax = Math.max(bodyBytesMax, bodyBytesInFlightMax / 4)
  const byPrincipal = new Map<string, number>()
  let inFlight = 0

  function count(principal: Principal, bytes: number) {
    const own = (byPrincipal.get(principal.name) ?? 0) + bytes
    if (own === 0) byPrincipal.delete(principal.name)
    else byPrincipal.set(principal.name, own)
    inFlight += bytes
    return { isOver: own > shareMax || inFlight > bodyBytesInFlightMax }
  }

  return async function readBody(request, principal) {
    const wrongType = contentRefusal(request.headers)
    if (wrongType !== null) return err(wrongType)
    if (Number(request.headers.get('content-length') ?? 0) > bodyBytesMax) return err(tooLarge(bodyBytesMax))
    if (request.body === null) return decode(new Uint8Array())

    const reader = request.body.getReader()
    const chunks: Uint8Array[] = []
    let bytes = 0
    let isLate = false
    const deadline = setTimeout(() => {
      isLate = true
      // Ends the read that waits.
      void leave()
    }, completeMs)
    // A body that breaks off while it is left is left all the same.
    const leave = () => reader.cancel().catch(() => {})
    try {
      for (;;) {
        const { done, value } = await reader.read()
        if (isLate) return err(tooSlow(completeMs))
        if (done) return decode(Buffer.concat(chunks))
        bytes += value.byteLength
        const { isOver } = count(principal, value.byteLength)
        if (bytes > bodyBytesMax) return err(tooLarge(bodyBytesMax))
        if (isOver) return err(tooMany())
        chunks.push(value)
      }
    } finally {
      clearTimeout(deadline)
      count(principal, -bytes)
      void leave()
    }
  }
}

function contentRefusal(headers: Headers): Refusal | null {
  const type = headers.get('content-type') ?? ''
  const [media = '', ...parameters] = type.split(';').map((part) => part.trim().toLowerCase())
  if (media !== 'application/json') {
    return unsupported("'Content-Type' must be application/json")
  }
  if (parameters.some((parameter) => !/^charset="?utf-?8"?$/.test(parameter) && parameter !== '')) {
    return unsupported("'Content-Type' may have no parameter but charset=utf-8: JSON is UTF-8")
  }
  if (headers.has('content-encoding')) {
    return unsupported("'Content-Encoding' is not accepted; send the body as it is")
  }
  return null
}

function decode(bytes: Uint8Array): Result<string, Refusal> {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return err(refusal(400, PARSE_ERROR, 'The body is not UTF-8: its encoding is wrong. Send UTF-8.'))
  }
  if (text.startsWith('\uFEFF')) {
    return err(refusal(400, PARSE_ERROR, 'The body begins with a byte order mark. Send it without.'))
  }
  return ok(text)
}

const unsupported = (message: string) => refusal(415, httpCode(415), `${message}.`)

const tooLarge = (bytesMax: number) =>
  refusal(413, httpCode(413), `The body is larger than ${bytesMax} bytes. Send less in one call.`)

const tooSlow = (completeMs: number) =>
  refusal(
    408,
    httpCode(408),
    `The body was not complete after ${completeMs / 1_000} s. Nothing was done; send it again.`,
  )

const tooMany = () =>
  refusal(
    503,
    httpCode(503),
    'Too many bodies arrive at once. Nothing was done with this one; send it again later.',
  )
