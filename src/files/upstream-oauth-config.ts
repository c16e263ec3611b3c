/** `oauth` of a server: how the gateway gets its own credentials there. */
import { z } from 'zod'
import { err, ok, type Result } from '../domain/result.ts'
import type { Document, Path } from './document.ts'
import { safeUrl, scopesShape } from './oauth-config.ts'
import type { Problem } from './problem.ts'
import { problemAt, problemAtKey, says } from './shape.ts'

export interface UpstreamOAuthConfig {
  /** The gateway as itself, or as the person who answers for the agent, whose account it uses. */
  readonly grant: 'client_credentials' | 'authorization_code'
  /** `null`: found through the metadata of the server. */
  readonly issuer: URL | null
  /** `null`: by a metadata document of ours, or registered when it is first needed. */
  readonly clientId: string | null
  readonly clientSecret: string | null
  readonly scopes: readonly string[]
}

const filled = z.string().min(1, says('the text is empty', 'write a value, or remove the line'))
export const upstreamOAuthShape = z.strictObject({
  grant: z.enum(['client_credentials', 'authorization_code']),
  issuer: z.string().optional(),
  client_id: filled.optional(),
  client_secret: filled.optional(),
  scopes: scopesShape.optional(),
})

/** @param fill puts the environment into a value, and reports what is missing there */
export function readUpstreamOAuth(
  document: Document,
  path: Path,
  written: z.output<typeof upstreamOAuthShape> | undefined,
  fill: (text: string, at: Path) => string | null,
): Result<UpstreamOAuthConfig | null, Problem[]> {
  if (written === undefined) return ok(null)
  const { grant, scopes } = written
  const problems: Problem[] = []
  const value = (key: 'client_id' | 'client_secret') => {
    const text = written[key]
    return text === undefined ? null : fill(text, [...path, key])
  }
  const issuer = written.issuer === undefined ? null : safeUrl(written.issuer)
  if (written.issuer !== undefined && issuer === null) {
    const message = 'this is not an address that secrets can be sent to'
    problems.push(problemAt(document, [...path, 'issuer'], message, 'write an https address'))
  }
  const secret = written.client_secret
  if (secret !== undefined && !/\$\{/.test(secret)) {
    const remedy = 'keep it in the environment and write its name, as in $' + '{CRM_CLIENT_SECRET}'
    problems.push(
      problemAt(document, [...path, 'client_secret'], 'a secret stands in the file itself', remedy),
    )
  }
  if (grant === 'client_credentials') {
    for (const key of ['client_id', 'client_secret'] as const) {
      if (written[key] !== undefined) continue
      const message = `\`client_credentials\` needs a \`${key}\``
      problems.push(problemAtKey(document, path, message, `add it: the authorization server gave you one`))
    }
  }
  if (secret !== undefined && written.issuer === undefined) {
    const message = 'a secret goes to one authorization server, and it is not said which'
    problems.push(problemAtKey(document, [...path, 'client_secret'], message, 'add `issuer`'))
  }
  const clientId = value('client_id')
  const clientSecret = value('client_secret')
  if (problems.length > 0) return err(problems)
  return ok({ grant, issuer, clientId, clientSecret, scopes: scopes ?? [] })
}
