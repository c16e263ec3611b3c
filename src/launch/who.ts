/** Who is calling: a token in the `Authorization` header, ours or an issuer's, or the built-in local agent from this machine. */
import { looksLikeJwt, type VerifyToken } from '../auth/oauth/verify-token.ts'
import { kindOfToken } from '../auth/tokens.ts'
import type { Config } from '../config.ts'
import { CLI } from '../domain/command-line.ts'
import type { Person } from '../domain/principal.ts'
import type { Admission, Admit } from '../ports/admission.ts'
import type { Authenticator } from '../ports/credentials.ts'
import type { Directory } from '../ports/directory.ts'

export interface Who {
  readonly agent: Admit
  person(headers: Headers): Person | null
}

export function createWho(deps: {
  authenticator: Authenticator
  directory: Directory
  localPrincipal: Config['localPrincipal']
  /** `null`: only our own tokens are accepted. */
  verifyToken: VerifyToken | null
}): Who {
  const { authenticator, directory, localPrincipal, verifyToken } = deps

  async function agentOf(token: string, server: string | null): Promise<Admission> {
    const principal = authenticator.agent(token)
    if (principal !== null) return { kind: 'admitted', principal }
    // Its shape says so, whether it is known or not.
    if (kindOfToken(token) === 'person')
      return refused('invalid_token', 'This is a person’s token. Agents have tokens of their own.')
    if (verifyToken !== null && looksLikeJwt(token)) return verifyToken(token, server)
    return refused(
      'invalid_token',
      `This token is unknown or revoked. \`${CLI} agents add <name>\` makes a new one.`,
    )
  }

  return {
    async agent(headers, remoteAddress, server) {
      const authorization = headers.get('authorization')
      if (authorization === null) {
        if (localPrincipal !== null && isFromHere(headers, remoteAddress))
          return { kind: 'admitted', principal: localPrincipal }
        return refused('no_token', 'An agent’s token is needed.')
      }
      const token = bearerToken(authorization)
      if (token !== null) return agentOf(token, server)
      return refused('invalid_token', 'The Authorization header holds no bearer token.')
    },
    person(headers) {
      const token = bearerToken(headers.get('authorization') ?? '')
      const id = token === null ? null : authenticator.person(token)
      return id === null ? null : directory.person(id)
    },
  }
}

const refused = (because: 'no_token' | 'invalid_token', message: string): Admission => ({
  kind: 'refused',
  because,
  message,
})

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
