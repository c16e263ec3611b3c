/** Looks at a JSON-RPC message without taking it apart: only what routing needs, the text itself passes on. */
import { z } from 'zod'

export type Id = string | number

export type Peek =
  | { readonly kind: 'request'; readonly id: Id; readonly method: string; readonly progressToken: Id | null }
  | {
      readonly kind: 'notification'
      readonly method: string
      readonly progressToken: Id | null
      readonly cancels: Id | null
    }
  | { readonly kind: 'response'; readonly id: Id | null; readonly isError: boolean }
  | { readonly kind: 'batch' }
  | { readonly kind: 'invalid' }

const idSchema = z.union([z.string(), z.number()])
const optionalId = idSchema.nullish().catch(null)
const envelopeSchema = z.object({
  id: optionalId,
  method: z.string().optional(),
  params: z
    .object({
      progressToken: optionalId,
      requestId: optionalId,
      _meta: z.object({ progressToken: optionalId }).nullish().catch(null),
    })
    .nullish()
    .catch(null),
})

/** What the text is. Never throws. */
export function peek(text: string): Peek {
  const json = parseJson(text)
  if (Array.isArray(json)) return { kind: 'batch' }
  const envelope = envelopeSchema.safeParse(json)
  if (!envelope.success || typeof json !== 'object' || json === null) return { kind: 'invalid' }
  const { method, params } = envelope.data
  const id = envelope.data.id ?? null
  if (method === undefined) {
    if (!('result' in json) && !('error' in json)) return { kind: 'invalid' }
    return { kind: 'response', id, isError: !('result' in json) }
  }
  if (id !== null) return { kind: 'request', id, method, progressToken: params?._meta?.progressToken ?? null }
  if ('id' in json) return { kind: 'invalid' }
  return {
    kind: 'notification',
    method,
    progressToken: params?.progressToken ?? null,
    cancels: method === 'notifications/cancelled' ? (params?.requestId ?? null) : null,
  }
}

/** Ids and tokens of different JSON types are different: 1 is not "1". */
export const idKey = (id: Id): string => `${typeof id}:${id}`

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
