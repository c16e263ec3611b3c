/** Accounts of people at the configured servers, and the gateway's own credentials there. */
import { randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createGuardedFetch } from '../auth/outbound/guarded-fetch.ts'
import { type AccountServer, createAccounts, type RunningAccounts } from '../auth/upstream/accounts.ts'
import { createClientCredentials } from '../auth/upstream/client-credentials.ts'
import { clientMetadata } from '../auth/upstream/grant.ts'
import { createVault } from '../auth/upstream/vault.ts'
import type { Config } from '../config.ts'
import type { AccountStore } from '../ports/accounts.ts'
import type { Log } from '../ports/log.ts'
import type { UpstreamCredentials } from '../ports/upstream-credentials.ts'
import { clock } from './clock.ts'

export interface OwnCredentials {
  /** `null`: what the configuration says is all there is. */
  of(server: string): UpstreamCredentials | null
  /** `null`: no server has accounts. */
  readonly accounts: RunningAccounts | null
  /** What we say about ourselves where our client id is the address of a document; `null`: nowhere. */
  readonly clientMetadata: object | null
  stop(): void
}

export const CLIENT_METADATA_PATH = '/oauth/client.json'

/** @param base how browsers reach this gateway */
export async function createOwnCredentials(
  config: Config,
  store: AccountStore,
  base: string,
  log: Log,
): Promise<OwnCredentials> {
  const withAccounts = new Map<string, AccountServer>()
  const ofGateway = new Map<string, UpstreamCredentials>()
  const nowMs = () => Date.now()
  for (const { name, upstream } of config.servers.values()) {
    if (upstream.kind !== 'http' || upstream.oauth === null) continue
    const { url, oauth } = upstream
    if (oauth.grant === 'authorization_code') withAccounts.set(name, { url, oauth })
    else
      ofGateway.set(
        name,
        createClientCredentials({
          server: name,
          url,
          oauth,
          fetch: fetchFor(config, [{ url, oauth }]),
          nowMs,
          log,
        }),
      )
  }
  const redirectUrl = `${base}/oauth/callback`
  // Authorization servers fetch it, so it has to be reachable from there (MCP, Client ID Metadata Documents).
  const clientId = config.publicUrl?.protocol === 'https:' ? `${base}${CLIENT_METADATA_PATH}` : undefined
  const accounts =
    withAccounts.size === 0
      ? null
      : createAccounts({
          servers: withAccounts,
          store,
          vault: createVault(config.accountsKey ?? (await keyIn(config.dataDir))),
          fetch: fetchFor(config, [...withAccounts.values()]),
          redirectUrl,
          clientMetadataUrl: clientId,
          linkOf: (server) => `${base}/accounts#${server}`,
          nowMs,
          clock,
          log,
        })
  return {
    of: (server) =>
      ofGateway.get(server) ?? (withAccounts.has(server) ? (accounts?.credentialsOf(server) ?? null) : null),
    accounts,
    clientMetadata:
      accounts === null || clientId === undefined
        ? null
        : { client_id: clientId, client_uri: base, ...clientMetadata(anyServer, redirectUrl) },
    stop: () => accounts?.stop(),
  }
}

/** One document for all servers: what differs between them is asked for when somebody signs in. */
const anyServer = {
  grant: 'authorization_code',
  issuer: null,
  clientId: null,
  clientSecret: null,
  scopes: [],
} as const

function fetchFor({ oauth }: Config, servers: readonly AccountServer[]) {
  const named = servers.flatMap(({ url, oauth: own }) => [url, ...(own.issuer === null ? [] : [own.issuer])])
  return createGuardedFetch({ privateNetworks: oauth.privateNetworks, named })
}

/** Made at first use; whoever comes second reads what the first one has written. */
async function keyIn(dataDir: string): Promise<Uint8Array> {
  const path = join(dataDir, 'accounts.key')
  await mkdir(dataDir, { recursive: true })
  try {
    await writeFile(path, `${randomBytes(32).toString('base64')}\n`, { flag: 'wx', mode: 0o600 })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
  const key = Buffer.from(await readFile(path, 'utf8'), 'base64')
  if (key.length !== 32)
    throw new Error(`${path} does not hold 32 bytes in base64; connected accounts cannot be opened`)
  return key
}
