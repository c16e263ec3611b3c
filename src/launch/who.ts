/** Who is calling: a token in the `Authorization` header, or the built-in local agent from this machine. */
import type { Config } from '../config.ts'
import type { Person, Principal } from '../domain/principal.ts'
import type { Authenticator } from '../ports/credentials.ts'
import type { Directory } from '../ports/directory.ts'

export interface Who {
  agent(headers: Headers, remoteAddress: string | null): Principal | null
  person(headers: Headers): Person | null
}

export function createWho(deps: {
  authenticator: Authenticator
  directory: Directory
  localPrincipal: Config['localPrincipal']
}): Who {
  const { authenticator, directory, localPrincipal } = deps
  return {
    agent(headers, remoteAddress) {
      const authorization = headers.get('authorization')
      if (authorization === null) return isFromHere(headers, remoteAddress) ? localPrincipal : null
      const token = bearerToken(authorization)
      return token === null ? null : authenticator.agent(token)
    },
    person(headers) {
      const token = bearerToken(headers.get('authorization') ?? '')
      const id = token === null ? null : authenticator.person(token)
      return id === null ? null : directory.person(id)
    },
  }
}

/** RFC 6750, section 2.1; the scheme's case does not matter (RFC 9110, section 11.1). */
function bearerToken(authorization: string): string | null {
  return /^bearer +([A-Za-z0-9._~+/-]+=*)$/i.exec(authorization.trim())?.[1] ?? null
}

/** A proxy on this machine connects from loopback as well, for somebody who may be anywhere. */
const forwarded = ['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip']

function isFromHere(headers: Headers, remoteAddress: string | null): boolean {
  return isLoopback(remoteAddress) && !forwarded.some((name) => headers.has(name))
}

function isLoopback(address: string | null): boolean {
  return address !== null && /^(127\.|::1$|::ffff:127\.)/.test(address)
}
