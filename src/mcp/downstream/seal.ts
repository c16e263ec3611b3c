/**
 * Small values that a client carries for us: encrypted, and bound to what they may be used for. Stateless: every gateway
 * with the same key opens what any of them sealed, before and after a restart.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import type { z } from 'zod'

export interface Seal<Value> {
  /** @param bound who and what it is for; needed word for word to open it */
  seal(bound: readonly (string | null)[], value: Value): string
  /** `null` for what was forged, changed in a single character, or sealed for somebody or something else: they are not told apart. */
  open(bound: readonly (string | null)[], sealed: string): Value | null
}

const CIPHER = 'aes-256-gcm'
/** NIST SP 800-38D: 96 random bits are good for 2^32 values under one key. */
const NONCE_BYTES = 12
const TAG_BYTES = 16

interface SealOptions<Value> {
  /** 32 bytes, the same for all gateways. */
  readonly sealKey: Uint8Array
  /** Tells keys apart: what was sealed for one purpose opens for no other. */
  readonly purpose: string
  /** Begins every sealed text, followed by a dot; also its version. */
  readonly prefix: string
  readonly schema: z.ZodType<Value>
}

export function createSeal<Value>({ sealKey, purpose, prefix, schema }: SealOptions<Value>): Seal<Value> {
  const key = new Uint8Array(hkdfSync('sha256', sealKey, '', `holdpoint ${purpose}`, 32))
  const additional = (bound: readonly (string | null)[]) => Buffer.from(JSON.stringify([prefix, ...bound]))
  return {
    seal(bound, value) {
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES })
      cipher.setAAD(additional(bound))
      const text = Buffer.concat([cipher.update(JSON.stringify(value), 'utf8'), cipher.final()])
      return `${prefix}.${Buffer.concat([nonce, cipher.getAuthTag(), text]).toString('base64url')}`
    },
    open(bound, sealed) {
      const [version, payload, ...rest] = sealed.split('.')
      if (version !== prefix || payload === undefined || rest.length > 0) return null
      const bytes = Buffer.from(payload, 'base64url')
      if (bytes.length <= NONCE_BYTES + TAG_BYTES) return null
      // Buffer skips what is not base64 and ignores unused bits; only the one right spelling counts.
      if (bytes.toString('base64url') !== payload) return null
      const nonce = bytes.subarray(0, NONCE_BYTES)
      const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES })
      decipher.setAAD(additional(bound))
      decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
      const text = decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES))
      try {
        decipher.final()
      } catch {
        return null
      }
      return schema.parse(JSON.parse(text.toString('utf8')))
    },
  }
}
