/** Tokens are made, listed and revoked in the ledger itself, so that this works without a running gateway. */
import { newToken } from '../auth/tokens.ts'
import { type Config, formatProblems, loadConfigWithoutUpstreams } from '../config.ts'
import type { AccountStore } from '../ports/accounts.ts'
import type { Credential, CredentialKind, CredentialStore } from '../ports/credentials.ts'
import type { Identities } from '../ports/identities.ts'
import type { ExitCode } from './io.ts'
import type { Parts } from './parts.ts'

export async function withCredentials(
  parts: Parts,
  use: (
    config: Config,
    credentials: CredentialStore,
    identities: Identities,
    accounts: AccountStore,
  ) => Promise<ExitCode>,
): Promise<ExitCode> {
  const loaded = loadConfigWithoutUpstreams(parts.surroundings)
  if (!loaded.ok) {
    parts.io.err(formatProblems(loaded.error))
    return 2
  }
  const { credentials, identities, accounts, close } = await parts.openCredentials(loaded.value)
  try {
    return await use(loaded.value, credentials, identities, accounts)
  } finally {
    await close()
  }
}

/** @returns the token, which nobody can read again */
export async function mint(
  credentials: CredentialStore,
  kind: CredentialKind,
  name: string,
  owner: string,
): Promise<string> {
  const { token, tokenHash, hint } = newToken(kind)
  await credentials.add({ kind, name, owner, tokenHash, hint })
  return token
}

export const isLive = (credential: Credential) => credential.revokedAtMs === null

/** A token as programs read it: by its beginning, with times as everywhere outside. */
export function tokenView({ hint, createdAtMs, revokedAtMs }: Credential) {
  const iso = (atMs: number) => new Date(atMs).toISOString()
  return { hint, createdAt: iso(createdAtMs), revokedAt: revokedAtMs === null ? null : iso(revokedAtMs) }
}

/** The beginning of a sentence. */
export const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)

/** The tokens of one name, as a cell of a table. */
export function tokensText(credentials: readonly Credential[]): string {
  const live = credentials.filter(isLive)
  if (live.length === 0) return credentials.length === 0 ? 'none' : 'none (revoked)'
  return live
    .map(({ hint, createdAtMs }) => `${hint}… of ${new Date(createdAtMs).toISOString().slice(0, 10)}`)
    .join(', ')
}
