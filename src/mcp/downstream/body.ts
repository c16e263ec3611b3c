/** Reads the body of a POST: JSON as plain UTF-8, counted while it arrives, never more than allowed. */
import { err, ok, type Result } from '../../domain/result.ts'
import { httpCode, PARSE_ERROR, type Refusal, refusal } from './rpc.ts'

export async function readBody(request: Request, bytesMax: number): Promise<Result<string, Refusal>> {
  const wrongType = contentRefusal(request.headers)
  if (wrongType !== null) return err(wrongType)
  if (Number(request.headers.get('content-length') ?? 0) > bytesMax) return err(tooLarge(bytesMax))

  const chunks: Uint8Array[] = []
  let bytes = 0
  // Leaving the loop early cancels the rest.
  for await (const chunk of request.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > bytesMax) return err(tooLarge(bytesMax))
    chunks.push(chunk)
  }
  return decode(Buffer.concat(chunks))
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
