/** Sessions of people in the console: 256 random bits in a cookie, their hash in the ledger, a working day to live. */
import { randomBytes } from 'node:crypto'
import { sha256 } from '../domain/canonical.ts'
import { linkCodeHash } from '../domain/link-code.ts'
import type { Directory } from '../ports/directory.ts'
import type { Identities } from '../ports/identities.ts'
import type { Sessions } from '../ports/sessions.ts'

const SECRET_BYTES = 32
const shape = /^[A-Za-z0-9_-]{43}$/
/** A long working day. Whoever is still there signs in anew the next morning. */
const SESSION_MS = 12 * 60 * 60_000

export function createSessions(deps: {
  identities: Pick<Identities, 'useCode' | 'addSession' | 'personOfSession' | 'endSession'>
  directory: Directory
}): Sessions {
  const { identities, directory } = deps
  return {
    async signIn(code) {
      const hash = linkCodeHash(code)
      const id = hash === null ? null : await identities.useCode(hash)
      const person = id === null ? null : directory.person(id)
      if (person === null) return null
      const token = randomBytes(SECRET_BYTES).toString('base64url')
      await identities.addSession(hashOf(token), person.id, SESSION_MS)
      return { token, person, validMs: SESSION_MS }
    },

    async personOf(token) {
      if (!shape.test(token)) return null
      const id = await identities.personOfSession(hashOf(token))
      return id === null ? null : directory.person(id)
    },

    async signOut(token) {
      if (shape.test(token)) await identities.endSession(hashOf(token))
    },
  }
}

/** The secret has 256 bits, so a fast hash without salt is enough. */
const hashOf = (token: string) => sha256(token)
