/** The gateway signs in at a server as itself: one token for all agents, kept in memory only. */
import { auth } from '@modelcontextprotocol/sdk/client/auth.js'
import { err, ok, type Result } from '../../domain/result.ts'
import type { Log } from '../../ports/log.ts'
import type {
  CredentialHeaders,
  NoCredentials,
  UpstreamCredentials,
} from '../../ports/upstream-credentials.ts'
import type { Fetch } from '../outbound/guarded-fetch.ts'
import {
  createProvider,
  emptyGrant,
  type Grant,
  isGood,
  LEFT_MS_MIN,
  type UpstreamOAuth,
  wordsOf,
} from './grant.ts'

/** An authorization server that says no is not asked again for this time. */
const FAILED_MS = 5_000

export function createClientCredentials(deps: {
  server: string
  url: URL
  oauth: UpstreamOAuth
  fetch: Fetch
  nowMs: () => number
  log: Log
}): UpstreamCredentials {
  const { server, url, oauth, fetch, nowMs, log } = deps
  let grant: Grant = emptyGrant()
  let renewing: Promise<Result<CredentialHeaders, NoCredentials>> | null = null
  let refusedAtMs = Number.NEGATIVE_INFINITY
  let failed: { readonly because: NoCredentials; readonly untilMs: number } | null = null

  async function renew(): Promise<Result<CredentialHeaders, NoCredentials>> {
    if (failed !== null && nowMs() < failed.untilMs) return err(failed.because)
    const next = { ...emptyGrant(), discovery: grant.discovery }
    try {
      const provider = createProvider({ oauth, redirectUrl: undefined, grant: next, nowMs })
      await auth(provider, { serverUrl: url, fetchFn: fetch })
    } catch (error) {
      const because = { reason: `no token for ${server}: ${wordsOf(error)}`, told: null }
      failed = { because, untilMs: nowMs() + FAILED_MS }
      // Found anew next time: it may have moved.
      grant = { ...grant, discovery: undefined }
      log.warn({ server, reason: because.reason }, 'no token for an upstream')
      return err(because)
    }
    failed = null
    grant = next
    return ok(headersOf(next))
  }

  /** Many requests, one token. */
  function renewOnce() {
    renewing ??= renew().finally(() => {
      renewing = null
    })
    return renewing
  }

  return {
    async current() {
      return isGood(grant, nowMs()) ? ok(headersOf(grant)) : renewOnce()
    },
    inHand: () => (isGood(grant, nowMs(), LEFT_MS_MIN) ? headersOf(grant) : null),
    async instead(refused) {
      // Somebody else may have got a new one since.
      if (isGood(grant, nowMs()) && headersOf(grant).authorization !== refused.authorization)
        return ok(headersOf(grant))
      // It would refuse the next one too, and every call would knock at the authorization server.
      if (renewing === null && nowMs() - refusedAtMs < FAILED_MS)
        return err({ reason: `${server} refuses a token that was issued only just now`, told: null })
      refusedAtMs = nowMs()
      return renewOnce()
    },
  }
}

export const headersOf = ({ tokens }: Grant): CredentialHeaders => ({
  authorization: `Bearer ${tokens?.access_token ?? ''}`,
})
