/** Access tokens of an issuer: which of them let their bearer in, as whom, and what the others are told. */
import { generateKeyPairSync } from 'node:crypto'
import { generateKeyPair, SignJWT } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createResources } from '../../src/auth/oauth/resources.ts'
import { createVerifyToken, type TrustedIssuer } from '../../src/auth/oauth/verify-token.ts'
import { createGuardedFetch } from '../../src/auth/outbound/guarded-fetch.ts'
import { hasOwner } from '../../src/domain/principal.ts'
import type { Admission } from '../../src/ports/admission.ts'
import { type OAuthIssuer, startOAuthIssuer } from '../support/oauth-issuer.ts'

let issuer: OAuthIssuer
beforeAll(async () => {
  issuer = await startOAuthIssuer()
})
afterAll(() => issuer.close())

const publicUrl = new URL('https://holdpoint.example.com')
const here = 'https://holdpoint.example.com/mcp/github'
let nowMs = 0
const warned: string[] = []
beforeEach(() => {
  nowMs = 0
  warned.length = 0
  issuer.behave({ failing: null, metadataIssuer: null, jwksPath: '/jwks' })
})

function aVerifier(wish: Partial<TrustedIssuer> = {}, scopes: readonly string[] = []) {
  const trusted: TrustedIssuer = {
    issuer: issuer.url,
    audience: [],
    jwksUri: null,
    algorithms: ['RS256', 'ES256'],
    principalClaim: null,
    ownerClaim: 'sub',
    isEmailTrusted: false,
    scopes: [],
    ...wish,
  }
  const servers = new Map([
    ['github', { scopes }],
    ['pay', { scopes: ['pay:call'] }],
  ])
  const resources = createResources({ publicUrl, issuers: [trusted], servers })
  const logins = new Map([['jun@example.com', 'jun']])
  const log = (_: object, message: string) => {
    warned.push(message)
  }
  return createVerifyToken({
    issuers: [trusted],
    resources,
    personOf: (login) => logins.get(login) ?? null,
    fetch: createGuardedFetch({ privateNetworks: [], named: [new URL(issuer.url)] }),
    monotonicMs: () => nowMs,
    log: { debug: log, info: log, warn: log, error: log },
  })
}

const good = { sub: 'jun@example.com', client_id: 'claude-code', aud: here }

function principalIn(admission: Admission) {
  if (admission.kind !== 'admitted') throw new Error(`${admission.because}: ${admission.message}`)
  return admission.principal
}

describe('a token lets in', () => {
  test('whom it says, in the name of the person who answers for it', async () => {
    const principal = principalIn(await aVerifier()(await issuer.sign(good), 'github'))
    expect(principal.name).toMatch(/^claude-code#[\w-]{16}$/)
    expect(principal.owner).toBe('jun')
  })

  test('as another principal where issuer, subject or client differ', async () => {
    const verify = aVerifier()
    const names = await Promise.all(
      [
        good,
        { ...good, sub: 'other' },
        { ...good, client_id: 'cursor' },
        { ...good, client_id: 'claude_code' },
        good,
      ].map(async (claims) => principalIn(await verify(await issuer.sign(claims), 'github')).name),
    )
    expect(new Set(names).size).toBe(4)
    expect(names[0]).toBe(names[4])
  })

  test('where its audience is this server, the gateway, or what the configuration says', async () => {
    const verify = aVerifier({ audience: ['api://holdpoint'] })
    for (const aud of [
      here,
      publicUrl.origin,
      `${publicUrl.origin}/`,
      'api://holdpoint',
      ['https://other', here],
    ]) {
      expect((await verify(await issuer.sign({ ...good, aud }), 'github')).kind).toBe('admitted')
    }
  })

  test('whose owner is not known, but as an agent for whom nobody answers', async () => {
    const verify = aVerifier()
    expect(
      hasOwner(principalIn(await verify(await issuer.sign({ ...good, sub: 'stranger' }), 'github'))),
    ).toBe(false)
  })

  test('with the owner whom an e-mail address names, if it is verified or the issuer is trusted with it', async () => {
    const byEmail = aVerifier({ ownerClaim: 'email' })
    const trusting = aVerifier({ ownerClaim: 'email', isEmailTrusted: true })
    const unsaid = { ...good, email: 'jun@example.com' }
    const isOwned = async (verify: typeof byEmail, claims: object) =>
      hasOwner(principalIn(await verify(await issuer.sign({ ...good, ...claims }), 'github')))
    for (const email_verified of [false, 'false', 0, 1, null, '', 'TRUE', [true]]) {
      expect(await isOwned(byEmail, { ...unsaid, email_verified })).toBe(false)
      expect(await isOwned(trusting, { ...unsaid, email_verified })).toBe(false)
    }
    expect(await isOwned(byEmail, unsaid)).toBe(false)
    expect(await isOwned(trusting, unsaid)).toBe(true)
    for (const email_verified of [true, 'true']) {
      const verified = await issuer.sign({ ...unsaid, email_verified })
      expect(principalIn(await byEmail(verified, 'github')).owner).toBe('jun')
    }
  })

  test('with a readable name that no agent of our own can have, whatever its claims hold', async () => {
    const verify = aVerifier({ principalClaim: 'client_name' })
    for (const name of ['night-agent', '‮gnp\u0000\n<!here>', '야간 봇', 'x'.repeat(500)]) {
      const principal = principalIn(await verify(await issuer.sign({ ...good, client_name: name }), 'github'))
      expect(principal.name).toMatch(/^[\p{L}\p{N}._@:/-]{1,48}#[\w-]{16}$/u)
    }
  })

  test('with all the scopes that issuer and server ask for', async () => {
    const verify = aVerifier({ scopes: ['mcp:call'] }, ['github:use'])
    const ask = async (claims: object) => verify(await issuer.sign({ ...good, ...claims }), 'github')
    expect((await ask({ scope: 'mcp:call github:use' })).kind).toBe('admitted')
    expect((await ask({ scp: ['mcp:call', 'github:use'] })).kind).toBe('admitted')
    for (const scope of [undefined, '', 'mcp:call', 'mcp:calls github:use', 'MCP:CALL github:use']) {
      expect(await ask(scope === undefined ? {} : { scope })).toMatchObject({ because: 'insufficient_scope' })
    }
  })

  test('after the issuer has changed its key', async () => {
    const verify = aVerifier()
    const old = await issuer.sign(good)
    expect((await verify(old, 'github')).kind).toBe('admitted')
    await issuer.rotate()
    // jose looks for an unknown key again once its cool-down is over; a verifier of its own has none.
    expect((await aVerifier()(await issuer.sign(good), 'github')).kind).toBe('admitted')
    expect(await aVerifier()(old, 'github')).toMatchObject({ because: 'invalid_token' })
  })
})

describe('a token does not let in', () => {
  const cases: [string, RegExp, () => Promise<string>][] = [
    [
      'for another audience',
      /was not issued for https:\/\/holdpoint/,
      () => issuer.sign({ ...good, aud: 'https://other' }),
    ],
    [
      'for another server of ours',
      /not issued for/,
      () => issuer.sign({ ...good, aud: `${publicUrl.origin}/mcp/pay` }),
    ],
    [
      'for an address that only begins like ours',
      /not issued for/,
      () => issuer.sign({ ...good, aud: `${here}x` }),
    ],
    ['without an audience', /"aud"|not issued for/, () => issuer.sign({ sub: 'jun', client_id: 'x' })],
    ['that has expired', /has expired/, () => issuer.sign(good, { expiresIn: -31 })],
    ['that never expires', /"exp"/, () => issuer.sign(good, { expiresIn: null })],
    [
      'that is not valid yet',
      /not valid yet/,
      () => issuer.sign({ ...good, nbf: Math.floor(Date.now() / 1000) + 90 }),
    ],
    [
      'of another issuer',
      /not one that is accepted/,
      () => issuer.sign({ ...good, iss: 'https://evil.example' }),
    ],
    [
      'of an issuer that only looks like it',
      /not one that is accepted/,
      () => issuer.sign({ ...good, iss: `${issuer.url}/` }),
    ],
    ['without a subject', /"sub"|no subject/, () => issuer.sign({ aud: here, client_id: 'x' })],
    ['with an empty subject', /no subject/, () => issuer.sign({ ...good, sub: '' })],
    ['that logs somebody out', /no access token/, () => issuer.sign(good, { typ: 'logout+jwt' })],
    ['that is a proof', /no access token/, () => issuer.sign(good, { typ: 'dpop+jwt' })],
    ['that is bound to a key', /bound to a key/, () => issuer.sign({ ...good, cnf: { jkt: 'x' } })],
  ]
  test.each(cases)('%s', async (_, message, make) => {
    const refused = await aVerifier()(await make(), 'github')
    expect(refused).toMatchObject({ kind: 'refused', because: 'invalid_token' })
    expect(refused.kind === 'refused' && refused.message).toMatch(message)
  })

  test('that somebody else has signed, whatever it says, and nothing is told about it', async () => {
    const { privateKey } = await generateKeyPair('ES256')
    const forged = await issuer.sign({ ...good, aud: 'https://other' }, { key: privateKey, expiresIn: -99 })
    expect(await aVerifier()(forged, 'github')).toEqual({
      kind: 'refused',
      because: 'invalid_token',
      message: 'This token is not one that is accepted here.',
    })
  })

  test('without a signature, or with one by the public key as a secret', async () => {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const claims = { iss: issuer.url, ...good, exp: Math.floor(Date.now() / 1000) + 300 }
    const none = `${part({ alg: 'none', typ: 'at+jwt' })}.${part(claims)}.`
    const jwks = await (await fetch(`${issuer.url}/jwks`)).text()
    const hmac = await new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(jwks))
    for (const token of [none, hmac]) {
      expect(await aVerifier()(token, 'github')).toMatchObject({ because: 'invalid_token' })
    }
  })

  test('with an algorithm that is not pinned', async () => {
    const token = await issuer.sign(good)
    expect(await aVerifier({ algorithms: ['RS256'] })(token, 'github')).toMatchObject({
      because: 'invalid_token',
    })
  })

  test('whose header brings a key, or the address of one, along', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const claims = { iss: issuer.url, ...good, exp: Math.floor(Date.now() / 1000) + 300 }
    const header = { alg: 'ES256', jwk: publicKey.export({ format: 'jwk' }), jku: 'http://127.0.0.1:1/jwks' }
    const token = await new SignJWT(claims).setProtectedHeader(header).sign(privateKey)
    expect(await aVerifier()(token, 'github')).toMatchObject({ because: 'invalid_token' })
  })

  test.each(['', 'a.b.c', '..', 'x'.repeat(20_000), 'é.é.é'])('that is none: %.20s', async (token) => {
    expect(await aVerifier()(token, 'github')).toMatchObject({ because: 'invalid_token' })
  })
})

describe('the keys', () => {
  test('are fetched once for many tokens', async () => {
    const verify = aVerifier()
    const token = await issuer.sign(good)
    const before = issuer.requests.length
    await Promise.all(Array.from({ length: 50 }, () => verify(token, 'github')))
    expect(issuer.requests.slice(before)).toEqual([
      'GET /.well-known/oauth-authorization-server',
      'GET /jwks',
    ])
  })

  test('are not looked for again and again for key ids that strangers make up', async () => {
    const verify = aVerifier()
    await verify(await issuer.sign(good), 'github')
    const before = issuer.requests.length
    const { privateKey } = await generateKeyPair('ES256')
    for (let count = 0; count < 20; count += 1) {
      const forged = await issuer.sign(good, { key: privateKey, kid: `made-up-${count}` })
      expect(await verify(forged, 'github')).toMatchObject({ because: 'invalid_token' })
    }
    expect(issuer.requests.length).toBe(before)
  })

  test('that cannot be had are no reason to call a token wrong, and the issuer is left alone for a while', async () => {
    issuer.behave({ failing: 503 })
    const verify = aVerifier()
    const token = await issuer.sign(good)
    for (let count = 0; count < 5; count += 1) {
      expect(await verify(token, 'github')).toMatchObject({ because: 'keys_unavailable' })
    }
    const knocked = issuer.requests.length
    await verify(token, 'github')
    expect(issuer.requests.length).toBe(knocked)
    expect(warned).toContain('the keys of an issuer cannot be had')
    issuer.behave({ failing: null })
    nowMs += 5_001
    expect((await verify(token, 'github')).kind).toBe('admitted')
  })

  test('of another issuer do not speak for this one', async () => {
    issuer.behave({ metadataIssuer: 'https://evil.example' })
    expect(await aVerifier()(await issuer.sign(good), 'github')).toMatchObject({
      because: 'keys_unavailable',
    })
  })

  test('are found where an issuer has moved them, without a restart', async () => {
    const verify = aVerifier()
    expect((await verify(await issuer.sign(good), 'github')).kind).toBe('admitted')
    issuer.behave({ jwksPath: '/moved/jwks' })
    await issuer.rotate()
    const token = await issuer.sign(good)
    // Strangers' key ids must not make us knock more often.
    expect((await verify(token, 'github')).kind).toBe('refused')
    nowMs += 30_001
    expect((await verify(token, 'github')).kind).toBe('admitted')
  })

  test('behind a private address are not fetched', async () => {
    const verify = aVerifier({ jwksUri: new URL('https://169.254.169.254/jwks') })
    expect(await verify(await issuer.sign(good), 'github')).toMatchObject({ because: 'keys_unavailable' })
  })
})
