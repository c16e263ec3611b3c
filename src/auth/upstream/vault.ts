/** Seals what is kept of accounts (AES-256-GCM), for the server and the person they belong to: moved elsewhere, it does not open. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'

const CIPHER = 'aes-256-gcm'
const NONCE_BYTES = 12
const TAG_BYTES = 16
/** Another layout gets another number. */
const VERSION = 1

export type Purpose = 'account' | 'attempt'

export interface Vault {
  seal(purpose: Purpose, server: string, owner: string, text: string): Uint8Array
  /** `null`: not sealed for this, or under another key. */
  open(purpose: Purpose, server: string, owner: string, sealed: Uint8Array): string | null
}

/** @param key 32 random bytes */
export function createVault(key: Uint8Array): Vault {
  const bound = (...scope: readonly string[]) => Buffer.from(JSON.stringify(['holdpoint', VERSION, ...scope]))
  return {
    seal(purpose, server, owner, text) {
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES })
      cipher.setAAD(bound(purpose, server, owner))
      const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
      return Buffer.concat([Buffer.of(VERSION), nonce, cipher.getAuthTag(), body])
    },
    open(purpose, server, owner, sealed) {
      const bytes = Buffer.from(sealed)
      const start = 1 + NONCE_BYTES + TAG_BYTES
      if (bytes.length < start || bytes[0] !== VERSION) return null
      const nonce = bytes.subarray(1, 1 + NONCE_BYTES)
      const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES })
      decipher.setAAD(bound(purpose, server, owner)).setAuthTag(bytes.subarray(1 + NONCE_BYTES, start))
      try {
        return Buffer.concat([decipher.update(bytes.subarray(start)), decipher.final()]).toString('utf8')
      } catch {
        return null
      }
    },
  }
}
