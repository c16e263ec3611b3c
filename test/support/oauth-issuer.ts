/**
 * An OAuth 2.1 authorization server over real HTTP: metadata, keys that rotate, dynamic registration, authorization code
 * with PKCE, refresh tokens that are good once, client credentials. Whoever comes to `/authorize` consents at once.
 */
import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { text as readText } from 'node:stream/consumers'
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'

export interface Issued {
  readonly sub?: string
  readonly aud?: string | string[]
  readonly client_id?: string
  readonly scope?: string
  readonly iss?: string
  readonly [claim: string]: unknown
}

export interface SignOptions {
  readonly typ?: string
  /** Seconds from now; may lie in the past. */
  readonly expiresIn?: number | null
  /** Instead of the issuer's own. */
  readonly key?: CryptoKey
  readonly kid?: string
  readonly alg?: string
}

export interface OAuthIssuer {
  readonly url: string
  /** `METHOD path` of each request, in order. */
  readonly requests: readonly string[]
  /** Bodies of the requests to the token endpoint. */
  readonly tokenRequests: readonly URLSearchParams[]
  /** Every token given out by the token endpoint, refresh tokens too. */
  readonly given: readonly string[]
  sign(claims: Issued, options?: SignOptions): Promise<string>
  /** A new key signs from now on, and the old one leaves the set. */
  rotate(): Promise<void>
  /** What `/authorize` and `/token` do from now on. */
  behave(how: Partial<Behaviour>): void
  close(): Promise<void>
}

interface Behaviour {
  /** Lifetime of access tokens in seconds. */
  readonly expiresIn: number
  /** The subject who consents. */
  readonly subject: string
  /** Answers every request so. */
  readonly failing: number | null
  /** What comes back as `iss` in the redirect; `null`: nothing. */
  readonly iss: string | null
  /** What the metadata says it is. */
  readonly metadataIssuer: string | null
  /** Where its keys are. */
  readonly jwksPath: string
  /** Where the metadata says that tokens are to be had. */
  readonly tokenEndpoint: string | null
}

interface Code {
  readonly client: string
  readonly redirectUri: string
  readonly challenge: string
  readonly resource: string | null
  readonly scope: string
  readonly subject: string
}

export async function startOAuthIssuer(): Promise<OAuthIssuer> {
  const requests: string[] = []
  const tokenRequests: URLSearchParams[] = []
  const given: string[] = []
  const clients = new Map<string, { secret: string | null; redirectUris: string[] }>()
  clients.set('machine', { secret: 'machine-secret', redirectUris: [] })
  const codes = new Map<string, Code>()
  const refreshTokens = new Map<string, Omit<Code, 'redirectUri' | 'challenge'>>()
  let key: { kid: string; privateKey: CryptoKey; jwk: JWK } = await newKey()
  const server = createServer((request, response) => {
    void handle(request, response).catch((error: unknown) => {
      if (!response.headersSent)
        json(response, 500, { error: 'server_error', error_description: String(error) })
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const url = `http://127.0.0.1:${address.port}`
  let behaviour: Behaviour = {
    expiresIn: 300,
    subject: 'jun@example.com',
    failing: null,
    iss: url,
    metadataIssuer: null,
    jwksPath: '/jwks',
    tokenEndpoint: null,
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked = new URL(request.url ?? '/', url)
    requests.push(`${request.method} ${asked.pathname}`)
    if (behaviour.failing !== null)
      return json(response, behaviour.failing, { error: 'temporarily_unavailable' })
    switch (asked.pathname) {
      case '/.well-known/oauth-authorization-server':
        return json(response, 200, {
          issuer: behaviour.metadataIssuer ?? url,
          authorization_endpoint: `${url}/authorize`,
          token_endpoint: behaviour.tokenEndpoint ?? `${url}/token`,
          registration_endpoint: `${url}/register`,
          jwks_uri: `${url}${behaviour.jwksPath}`,
          response_types_supported: ['code'],
          grant_types_supported: ['authorization_code', 'refresh_token', 'client_credentials'],
          code_challenge_methods_supported: ['S256'],
          token_endpoint_auth_methods_supported: ['none', 'client_secret_basic', 'client_secret_post'],
          authorization_response_iss_parameter_supported: true,
        })
      case behaviour.jwksPath:
        return json(response, 200, { keys: [key.jwk] })
      case '/register': {
        const wanted = JSON.parse(await readText(request))
        const client = `client-${randomUUID()}`
        clients.set(client, { secret: null, redirectUris: wanted.redirect_uris })
        return json(response, 201, { ...wanted, client_id: client, token_endpoint_auth_method: 'none' })
      }
      case '/authorize':
        return authorize(asked.searchParams, response)
      case '/token':
        return token(request, response)
      default:
        return json(response, 404, { error: 'not_found' })
    }
  }

  function authorize(query: URLSearchParams, response: ServerResponse) {
    const client = query.get('client_id') ?? ''
    const redirectUri = query.get('redirect_uri') ?? ''
    const challenge = query.get('code_challenge') ?? ''
    const known = clients.get(client)
    const isRight = known?.redirectUris.includes(redirectUri) && query.get('code_challenge_method') === 'S256'
    if (!isRight || challenge === '') return json(response, 400, { error: 'invalid_request' })
    const code = randomUUID()
    const { subject } = behaviour
    const resource = query.get('resource')
    codes.set(code, { client, redirectUri, challenge, resource, scope: query.get('scope') ?? '', subject })
    const back = new URL(redirectUri)
    back.searchParams.set('code', code)
    const state = query.get('state')
    if (state !== null) back.searchParams.set('state', state)
    if (behaviour.iss !== null) back.searchParams.set('iss', behaviour.iss)
    response.writeHead(302, { location: back.href }).end()
  }

  async function token(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const form = new URLSearchParams(await readText(request))
    tokenRequests.push(form)
    const [, basic = ''] = /^Basic (.+)$/.exec(request.headers.authorization ?? '') ?? []
    const [basicId = '', basicSecret = ''] = Buffer.from(basic, 'base64').toString().split(':')
    const client = form.get('client_id') ?? basicId
    const secret = form.get('client_secret') ?? (basicSecret === '' ? null : basicSecret)
    const known = clients.get(client)
    if (known === undefined || known.secret !== secret)
      return json(response, 401, { error: 'invalid_client' })
    const refuse = () => json(response, 400, { error: 'invalid_grant' })
    switch (form.get('grant_type')) {
      case 'client_credentials': {
        const resource = form.get('resource')
        return give(response, { client, resource, scope: form.get('scope') ?? '', subject: client }, false)
      }
      case 'authorization_code': {
        const code = codes.get(form.get('code') ?? '')
        codes.delete(form.get('code') ?? '')
        const proof = createHash('sha256')
          .update(form.get('code_verifier') ?? '')
          .digest('base64url')
        if (code === undefined || code.client !== client || code.challenge !== proof) return refuse()
        if (code.redirectUri !== form.get('redirect_uri')) return refuse()
        return give(response, code, true)
      }
      case 'refresh_token': {
        const used = form.get('refresh_token') ?? ''
        const grant = refreshTokens.get(used)
        // Good once: a second use would be a thief's, or a lost update's.
        refreshTokens.delete(used)
        return grant === undefined || grant.client !== client ? refuse() : give(response, grant, true)
      }
      default:
        return json(response, 400, { error: 'unsupported_grant_type' })
    }
  }

  async function give(
    response: ServerResponse,
    grant: Omit<Code, 'redirectUri' | 'challenge'>,
    isRefreshable: boolean,
  ): Promise<void> {
    const { client, resource, scope, subject } = grant
    const claims = { sub: subject, client_id: client, scope, ...(resource === null ? {} : { aud: resource }) }
    const access = await sign(claims, { expiresIn: behaviour.expiresIn })
    const refresh = isRefreshable ? `refresh-${randomUUID()}` : null
    if (refresh !== null) refreshTokens.set(refresh, grant)
    given.push(access, ...(refresh === null ? [] : [refresh]))
    json(response, 200, {
      access_token: access,
      token_type: 'Bearer',
      expires_in: behaviour.expiresIn,
      ...(scope === '' ? {} : { scope }),
      ...(refresh === null ? {} : { refresh_token: refresh }),
    })
  }

  async function sign(claims: Issued, options: SignOptions = {}): Promise<string> {
    const { typ = 'at+jwt', expiresIn = 300, kid = key.kid, alg = 'ES256' } = options
    const now = Math.floor(Date.now() / 1000)
    const payload = { iss: url, iat: now, jti: randomUUID(), ...claims }
    const whole = expiresIn === null ? payload : { ...payload, exp: now + expiresIn }
    return new SignJWT(whole).setProtectedHeader({ alg, kid, typ }).sign(options.key ?? key.privateKey)
  }

  return {
    url,
    requests,
    tokenRequests,
    given,
    sign,
    async rotate() {
      key = await newKey()
    },
    behave(how) {
      behaviour = { ...behaviour, ...how }
    },
    async close() {
      server.closeAllConnections()
      if (server.listening) await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

async function newKey() {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  const kid = randomUUID()
  return { kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' } }
}

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
  response.end(JSON.stringify(body))
}
