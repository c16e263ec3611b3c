/**
 * Accounts of people at servers: connected in a browser (authorization code with PKCE), sealed in the ledger, renewed ahead of
 * their end by one gateway at a time. An agent acts there as the person who answers for it, and as nobody else.
 */
import { createHash, randomBytes } from 'node:crypto'
import { auth, refreshAuthorization, selectResourceURL } from '@modelcontextprotocol/sdk/client/auth.js'
import { InvalidClientError, InvalidGrantError } from '@modelcontextprotocol/sdk/server/auth/errors.js'
import { hasOwner } from '../../domain/principal.ts'
import { err, ok, type Result } from '../../domain/result.ts'
import type { AccountStore, Accounts, Returned } from '../../ports/accounts.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Log } from '../../ports/log.ts'
import type {
  CredentialHeaders,
  NoCredentials,
  UpstreamCredentials,
} from '../../ports/upstream-credentials.ts'
import type { Fetch } from '../outbound/guarded-fetch.ts'
import { headersOf } from './client-credentials.ts'
import {
  createProvider,
  emptyGrant,
  type Grant,
  grantText,
  isGood,
  isSameIssuer,
  LEFT_MS_MIN,
  readGrant,
  saveTokens,
  type UpstreamOAuth,
  wordsOf,
} from './grant.ts'
import type { Vault } from './vault.ts'

export interface AccountServer {
  readonly url: URL
  readonly oauth: UpstreamOAuth
}

export interface AccountsDeps {
  readonly servers: ReadonlyMap<string, AccountServer>
  readonly store: AccountStore
  readonly vault: Vault
  readonly fetch: Fetch
  /** Exactly where browsers come back to. */
  readonly redirectUrl: string
  /** Where our metadata document stands; `undefined`: nobody can fetch it, so we register instead. */
  readonly clientMetadataUrl: string | undefined
  /** Where people connect an account. */
  readonly linkOf: (server: string) => string
  readonly nowMs: () => number
  readonly clock: Pick<Clock, 'sleep' | 'monotonicMs'>
  readonly log: Log
}

export interface RunningAccounts extends Accounts {
  credentialsOf(server: string): UpstreamCredentials
  stop(): void
}

/** A person signs in, consents, comes back. */
const ATTEMPT_MS = 10 * 60_000
/** Longer than a refresh may take (the guarded fetch ends at 10 s), so that nobody begins a second one. */
const RENEWAL_MS = 30_000
/** How often to look whether another gateway has finished. */
const LOOK_MS = 200
/** A server that refuses what was renewed only just now would refuse the next one too; refresh tokens are not endless. */
const REFUSED_MS = 30_000
/** What another gateway has changed is known by a hint, and where that is lost after this time. */
const KNOWN_MS = 60_000

interface Known {
  readonly grant: Grant
  readonly version: string
  readonly readAtMs: number
}

export function createAccounts(deps: AccountsDeps): RunningAccounts {
  const { servers, store, vault, fetch, redirectUrl, clientMetadataUrl, linkOf, nowMs, clock, log } = deps
  const known = new Map<string, Known>()
  const renewing = new Map<string, Promise<Result<Known, NoCredentials>>>()
  const refusedAtMs = new Map<string, number>()
  const stop = store.onChange(() => known.clear())
  const keyOf = (server: string, owner: string) => JSON.stringify([server, owner])

  function provider(
    server: AccountServer,
    grant: Grant,
    more: { state?: string; onRedirect?: (url: URL) => void },
  ) {
    const client = clientMetadataUrl === undefined ? {} : { clientMetadataUrl }
    return createProvider({ oauth: server.oauth, redirectUrl, ...client, grant, nowMs, ...more })
  }

  function serverOf(name: string): AccountServer {
    const server = servers.get(name)
    if (server === undefined) throw new Error(`${name} has no accounts`)
    return server
  }

  async function begin(name: string, person: string): Promise<Result<URL, string>> {
    const server = servers.get(name)
    if (server === undefined) return err('There is no such server with accounts.')
    const state = randomBytes(32).toString('base64url')
    const grant = emptyGrant()
    let target: URL | null = null
    const onRedirect = (url: URL) => {
      target = url
    }
    const { scopes } = server.oauth
    try {
      await auth(provider(server, grant, { state, onRedirect }), {
        serverUrl: server.url,
        fetchFn: fetch,
        ...(scopes.length === 0 ? {} : { scope: scopes.join(' ') }),
      })
      const url = safeTarget(target)
      const sealed = vault.seal('attempt', name, person, grantText(grant))
      await store.addAttempt(hashOf(state), { server: name, person, sealed }, ATTEMPT_MS)
      return ok(url)
    } catch (error) {
      log.warn({ server: name, reason: wordsOf(error) }, 'an account could not be connected')
      return err(`The authorization server of ${name} cannot be used: ${wordsOf(error)}`)
    }
  }

  async function finish(
    { state, code, iss, error }: Returned,
    person: string,
  ): Promise<Result<string, string>> {
    const attempt = state === null ? null : await store.useAttempt(hashOf(state))
    // Somebody else's attempt is used up as well: whoever brought it here has no business with it.
    if (attempt === null || attempt.person !== person)
      return err(
        'This was not begun by you, was finished already, or took longer than ten minutes. Begin again.',
      )
    const name = attempt.server
    const server = servers.get(name)
    const text = vault.open('attempt', name, person, attempt.sealed)
    if (server === undefined || text === null) return err('This server has no accounts any more.')
    const grant = readGrant(text)
    const wrong = wrongIssuer(grant, iss)
    if (wrong !== null) {
      log.warn({ server: name, person, reason: wrong }, 'an answer came from another authorization server')
      return err(`Nothing was connected: ${wrong}.`)
    }
    if (code === null)
      return err(`Nothing was connected: ${name} answered ${(error ?? 'without a code').slice(0, 100)}.`)
    try {
      await auth(provider(server, grant, {}), {
        serverUrl: server.url,
        authorizationCode: code,
        fetchFn: fetch,
      })
    } catch (failure) {
      log.warn({ server: name, person, reason: wordsOf(failure) }, 'an account could not be connected')
      return err(`Nothing was connected: ${wordsOf(failure)}`)
    }
    await store.put(name, person, sealed(name, person, grant))
    known.delete(keyOf(name, person))
    log.info({ server: name, person }, 'an account was connected')
    return ok(name)
  }

  const sealed = (server: string, owner: string, grant: Grant) =>
    vault.seal('account', server, owner, grantText({ ...grant, verifier: null }))

  async function read(server: string, owner: string): Promise<Known | null> {
    const key = keyOf(server, owner)
    const remembered = known.get(key)
    if (remembered !== undefined && clock.monotonicMs() - remembered.readAtMs < KNOWN_MS) return remembered
    const kept = await store.get(server, owner)
    const found = kept === null ? null : opened(server, owner, kept)
    if (found === null) known.delete(key)
    else known.set(key, found)
    return found
  }

  function opened(
    server: string,
    owner: string,
    kept: { sealed: Uint8Array; version: string },
  ): Known | null {
    const text = vault.open('account', server, owner, kept.sealed)
    if (text === null)
      log.error({ server, owner }, 'an account is sealed under another key; it has to be connected again')
    return text === null
      ? null
      : { grant: readGrant(text), version: kept.version, readAtMs: clock.monotonicMs() }
  }

  function missing(server: string, owner: string): NoCredentials {
    const told = `${owner} has no account connected at "${server}". ${owner} can connect it at ${linkOf(server)}, then call again.`
    return { reason: `${owner} has no account connected at ${server}`, told }
  }

  /** One at a time here, and one at a time among all gateways. */
  function renewed(server: string, owner: string, stale: Known): Promise<Result<Known, NoCredentials>> {
    const key = keyOf(server, owner)
    const running = renewing.get(key)
    if (running !== undefined) return running
    const started = renew(server, owner, stale).finally(() => renewing.delete(key))
    renewing.set(key, started)
    return started
  }

  async function renew(server: string, owner: string, stale: Known): Promise<Result<Known, NoCredentials>> {
    const untilMs = clock.monotonicMs() + RENEWAL_MS
    while (clock.monotonicMs() < untilMs) {
      const kept = await store.beginRenewal(server, owner, RENEWAL_MS)
      if (kept !== null) {
        const found = opened(server, owner, kept)
        if (found !== null && found.version === stale.version) return refresh(server, owner, found)
        // Another gateway was faster.
        await store.dropRenewal(server, owner, kept.version)
        return found === null ? err(missing(server, owner)) : remember(server, owner, found)
      }
      const now = await store.get(server, owner)
      if (now === null) return err(missing(server, owner))
      const found = now.version === stale.version ? null : opened(server, owner, now)
      if (found !== null) return remember(server, owner, found)
      await clock.sleep(LOOK_MS)
    }
    return err({ reason: `the account of ${owner} at ${server} is being renewed for too long`, told: null })
  }

  function remember(server: string, owner: string, found: Known): Result<Known, NoCredentials> {
    known.set(keyOf(server, owner), found)
    return ok(found)
  }

  async function refresh(
    server: string,
    owner: string,
    { grant, version }: Known,
  ): Promise<Result<Known, NoCredentials>> {
    const { url, oauth } = serverOf(server)
    const next: Grant = { ...grant }
    const refreshToken = grant.tokens?.refresh_token
    const { discovery } = grant
    const source = provider({ url, oauth }, next, {})
    const client = await source.clientInformation()
    if (refreshToken === undefined || discovery === undefined || client === undefined) {
      await store.dropRenewal(server, owner, version)
      return err(missing(server, owner))
    }
    try {
      const resource = await selectResourceURL(url, source, discovery.resourceMetadata)
      const metadata = discovery.authorizationServerMetadata
      const tokens = await refreshAuthorization(discovery.authorizationServerUrl, {
        ...(metadata === undefined ? {} : { metadata }),
        clientInformation: client,
        refreshToken,
        ...(resource === undefined ? {} : { resource }),
        fetchFn: fetch,
      })
      saveTokens(next, { ...tokens, issuer: discovery.authorizationServerUrl }, nowMs())
    } catch (error) {
      log.warn({ server, owner, reason: wordsOf(error) }, 'an account could not be renewed')
      // The person has withdrawn it, or it has ended for good; anything else may pass.
      if (error instanceof InvalidGrantError || error instanceof InvalidClientError) {
        await store.remove(server, owner)
        return err(missing(server, owner))
      }
      await store.dropRenewal(server, owner, version)
      return err({
        reason: `the account of ${owner} at ${server} could not be renewed: ${wordsOf(error)}`,
        told: null,
      })
    }
    const isKept = await store.endRenewal(server, owner, version, sealed(server, owner, next))
    if (!isKept) return err(missing(server, owner))
    const kept = await store.get(server, owner)
    return remember(server, owner, {
      grant: next,
      version: kept?.version ?? version,
      readAtMs: clock.monotonicMs(),
    })
  }

  function credentialsOf(server: string): UpstreamCredentials {
    const headers = (found: Result<Known, NoCredentials>): Result<CredentialHeaders, NoCredentials> =>
      found.ok ? ok(headersOf(found.value.grant)) : found
    return {
      async current(principal) {
        if (!hasOwner(principal)) return err(nobodyAnswers(server))
        const { owner } = principal
        const found = await read(server, owner)
        if (found === null) return err(missing(server, owner))
        if (isGood(found.grant, nowMs())) return ok(headersOf(found.grant))
        return headers(await renewed(server, owner, found))
      },
      inHand({ owner }) {
        const found = known.get(keyOf(server, owner))
        return found !== undefined && isGood(found.grant, nowMs(), LEFT_MS_MIN)
          ? headersOf(found.grant)
          : null
      },
      async instead(refused, principal) {
        const { owner } = principal
        known.delete(keyOf(server, owner))
        const found = await read(server, owner)
        if (found === null) return err(missing(server, owner))
        if (headersOf(found.grant).authorization !== refused.authorization) return ok(headersOf(found.grant))
        const key = keyOf(server, owner)
        const atMs = refusedAtMs.get(key) ?? Number.NEGATIVE_INFINITY
        if (!renewing.has(key) && clock.monotonicMs() - atMs < REFUSED_MS)
          return err(refusedAnew(server, owner))
        refusedAtMs.set(key, clock.monotonicMs())
        return headers(await renewed(server, owner, found))
      },
    }
  }

  return {
    servers: [...servers.keys()],
    async of(person) {
      const all = await store.list()
      return [...servers.keys()].map((server) => {
        const own = all.find((one) => one.server === server && one.owner === person)
        return { server, connectedAtMs: own?.connectedAtMs ?? null }
      })
    },
    begin,
    finish,
    async disconnect(server, person) {
      known.delete(keyOf(server, person))
      return store.remove(server, person)
    },
    credentialsOf,
    stop,
  }
}

const nobodyAnswers = (server: string): NoCredentials => ({
  reason: `it is not known whose account at ${server} this agent uses`,
  told: `It is not known which person answers for you, so there is no account at "${server}" to use.`,
})

/**
 * An answer of another authorization server than the one that was asked is an attack that mixes them up (RFC 9207). Where
 * the one that was asked always says who it is, silence is wrong as well.
 */
function wrongIssuer({ discovery }: Grant, iss: string | null): string | null {
  const metadata = discovery?.authorizationServerMetadata
  const expected = metadata?.issuer ?? discovery?.authorizationServerUrl ?? ''
  if (iss !== null)
    return isSameIssuer(iss, expected) ? null : 'the answer is of another authorization server'
  const isAlwaysSaid =
    metadata !== undefined &&
    'authorization_response_iss_parameter_supported' in metadata &&
    metadata.authorization_response_iss_parameter_supported === true
  return isAlwaysSaid ? 'the answer does not say which authorization server it is of' : null
}

/** The browser of a person is sent there. */
function safeTarget(target: URL | null): URL {
  if (target === null) throw new Error('it did not say where to go')
  const isHere =
    target.hostname === 'localhost' || target.hostname === '[::1]' || /^127\./.test(target.hostname)
  if (target.protocol === 'https:' || (target.protocol === 'http:' && isHere)) return target
  throw new Error(`it would send browsers to ${target.protocol}//`)
}

const hashOf = (state: string) => createHash('sha256').update(state).digest('hex')

const refusedAnew = (server: string, owner: string): NoCredentials => ({
  reason: `${server} refuses the account of ${owner}, although it was renewed for that within the last ${REFUSED_MS / 1000} seconds`,
  told: null,
})
