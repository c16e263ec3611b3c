import { beforeEach, describe, expect, test } from 'vitest'
import type { Approval } from '../../src/domain/approval.ts'
import { mina, owner } from '../support/builders.ts'
import { aConsole, type ConsoleWorld, guest, HOST } from '../support/console-world.ts'

let world: ConsoleWorld
beforeEach(async () => {
  world = await aConsole()
})

const ours = { host: HOST, origin: `http://${HOST}`, 'sec-fetch-site': 'same-origin' }

function get(path: string, headers: Record<string, string> = {}) {
  return world.app.request(path, { headers: { host: HOST, ...headers } })
}

function post(path: string, fields: Record<string, string>, headers: Record<string, string> = {}) {
  return world.app.request(path, {
    method: 'POST',
    headers: { ...ours, 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body: new URLSearchParams(fields).toString(),
  })
}

const routes: Record<string, (approval: Approval, form: string) => Promise<Response>> = {
  queue: async () => get('/', visitor),
  live: async () => get('/live', visitor),
  history: async () => get('/history', visitor),
  approval: async ({ id }) => get(`/approvals/${id}`, visitor),
  params: async ({ id }) => get(`/approvals/${id}/params`, visitor),
  approve: async ({ id, proposed }, token) =>
    post(`/approvals/${id}`, { token, act: 'approve', digest: proposed.digest }, visitor),
  withdraw: async ({ id }, token) => post(`/approvals/${id}`, { token, act: 'cancel' }, visitor),
  queues: async () => get('/queues', visitor),
  'queues deeper': async () => get('/queues/api/queues', visitor),
}
let visitor: Record<string, string> = {}

describe('who passes', () => {
  test.each(Object.keys(routes))('%s: nobody without a session of their own', async (route) => {
    const approval = await world.add()
    const session = await world.sessionOf(mina)
    const old = await world.sessionOf(mina)
    const visitors: Record<string, string>[] = [
      {},
      { cookie: 'holdpoint=' },
      { cookie: `holdpoint=${'A'.repeat(43)}` },
      { cookie: `holdpoint=${'%00'.repeat(20)}` },
      { cookie: `__Host-holdpoint=${session.token}` },
      { authorization: `Bearer ${session.token}` },
      { authorization: 'Bearer hpa_4pnwDAYd1Yx2vKWPJ6mF5Tqz8Lr3Bc7NsHg9eUvXaQo' },
      { authorization: 'Bearer hpp_4pnwDAYd1Yx2vKWPJ6mF5Tqz8Lr3Bc7NsHg9eUvXaQo' },
    ]
    for (const one of visitors) {
      visitor = one
      const answer = await routes[route]?.(approval, session.form)
      expect([answer?.status, one]).toEqual([401, one])
      expect(await answer?.text()).not.toContain('delete_repository')
    }
    // Half a day later.
    visitor = { cookie: old.cookie }
    world.advance(12 * 60 * 60_000 + 1)
    expect((await routes[route]?.(approval, old.form))?.status).toBe(401)
    expect((await world.ledger.get(approval.id))?.approval.version).toBe(1)
  })

  test.each([
    ['queue', 200, 200, 200],
    ['history', 200, 200, 200],
    ['approval', 200, 200, 200],
    ['approve', 303, 403, 403],
    // The owner of the agent may take the call back.
    ['withdraw', 303, 303, 403],
    ['queues', 200, 403, 403],
    ['queues deeper', 200, 403, 403],
  ])('%s: approver %i, owner of the agent %i, somebody else %i', async (route, ...expected) => {
    for (const [index, person] of [mina, owner, guest].entries()) {
      const approval = await world.add()
      const { cookie, form } = await world.sessionOf(person)
      visitor = { cookie }
      expect((await routes[route]?.(approval, form))?.status).toBe(expected[index])
    }
  })

  test('a token in the address or in the form opens nothing', async () => {
    const { token } = await world.sessionOf(mina)
    expect((await get(`/?token=${token}&access_token=${token}&session=${token}`)).status).toBe(401)
  })

  test('a person who left the directory is out at once', async () => {
    await world.identities.addSession('0'.repeat(64), 'gone', 60_000)
    const code = await world.codeOf({ ...mina, id: 'gone' })
    expect((await post('/sign-in', { code })).status).toBe(403)
  })

  test('the queues can only be looked at', async () => {
    const { cookie } = await world.sessionOf(mina)
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
      const answer = await world.app.request('/queues/api/queues/approvals/clean', {
        method,
        headers: { ...ours, cookie },
      })
      expect(answer.status).toBe(405)
    }
  })

  test.each(['HP-', 'HP-00000000ZZ', '%00', '..%2f..%2fetc%2fpasswd', 'x'.repeat(10_240)])(
    'the ticket %s is not there',
    async (ticket) => {
      const { cookie } = await world.sessionOf(mina)
      expect((await get(`/approvals/${ticket}`, { cookie })).status).toBe(404)
    },
  )
})

describe('signing in', () => {
  test('a code works once; looking at the page uses nothing up', async () => {
    const code = await world.codeOf(mina)
    for (let look = 0; look < 3; look++) expect((await get('/sign-in')).status).toBe(200)
    const first = await post('/sign-in', { code, place: 'history' })
    expect(first.status).toBe(303)
    expect(first.headers.get('location')).toBe('./history')
    const cookie = first.headers.get('set-cookie') ?? ''
    expect(cookie).toMatch(/^holdpoint=[\w-]{43}; Max-Age=43200; Path=\/; HttpOnly; SameSite=Strict$/)
    expect((await get('/', { cookie: cookie.split(';')[0] ?? '' })).status).toBe(200)

    const second = await post('/sign-in', { code })
    expect(second.status).toBe(403)
    expect(second.headers.get('set-cookie')).toBeNull()
    expect(await second.text()).toContain('used already')
  })

  test('over https the cookie is bound to the host and secure', async () => {
    world = await aConsole({ publicUrl: 'https://holdpoint.example' })
    const answer = await post(
      '/sign-in',
      { code: await world.codeOf(mina) },
      { host: 'holdpoint.example', origin: 'https://holdpoint.example' },
    )
    expect(answer.headers.get('set-cookie')).toMatch(
      /^__Host-holdpoint=[\w-]{43}; .*Path=\/; HttpOnly; Secure; SameSite=Strict/,
    )
  })

  test('a code is forgiven its spelling, not its age', async () => {
    const code = (await world.codeOf(mina)).toLowerCase().replace('-', ' ').replaceAll('0', 'o')
    expect((await post('/sign-in', { code })).status).toBe(303)
    const late = await world.codeOf(mina)
    world.advance(10 * 60_000 + 1)
    expect((await post('/sign-in', { code: late })).status).toBe(403)
  })

  test('after ten attempts in a minute nobody at this address is looked at', async () => {
    const code = await world.codeOf(mina)
    for (let attempt = 0; attempt < 10; attempt++) {
      expect((await post('/sign-in', { code: 'AAAAA-AAAAA' })).status).toBe(403)
    }
    expect((await post('/sign-in', { code })).status).toBe(429)
    world.advance(60_001)
    expect((await post('/sign-in', { code })).status).toBe(303)
  })

  test.each([
    { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
    { origin: 'null', 'sec-fetch-site': 'same-origin' },
    { origin: `http://${HOST}`, 'sec-fetch-site': 'same-site' },
    { origin: 'http://127.0.0.1:9999', 'sec-fetch-site': 'same-origin' },
  ])('a form of another site signs nobody in (%o)', async (headers) => {
    const code = await world.codeOf(mina)
    expect((await post('/sign-in', { code }, headers)).status).toBe(403)
    expect((await post('/sign-in', { code })).status).toBe(303)
  })

  test.each(['//evil.example', 'https://evil.example', '../evil', 'approvals/HP-1', 'sign-out'])(
    'it leads to no other place than pages of the console (%s)',
    async (place) => {
      const answer = await post('/sign-in', { code: await world.codeOf(mina), place })
      expect(answer.headers.get('location')).toBe('./')
    },
  )

  test('signing out ends the session, and only our own form does it', async () => {
    const { cookie, form } = await world.sessionOf(mina)
    expect((await post('/sign-out', { token: 'wrong' }, { cookie })).status).toBe(403)
    expect((await get('/', { cookie })).status).toBe(200)
    const answer = await post('/sign-out', { token: form }, { cookie })
    expect([answer.status, answer.headers.get('location')]).toEqual([303, './sign-in'])
    expect((await get('/', { cookie })).status).toBe(401)
  })

  test('whoever comes without a session lands on the page they wanted', async () => {
    const { id } = await world.add()
    const html = await (await get(`/approvals/${id}`)).text()
    expect(html).toContain(`name="place" value="approvals/${id}"`)
    expect(html).toContain('action="../sign-in"')
  })

  test('a part of a page whose session is over asks for the whole page', async () => {
    const answer = await get('/', { 'hx-request': 'true' })
    expect([answer.status, answer.headers.get('hx-refresh')]).toEqual([401, 'true'])
  })
})

describe('every page', () => {
  test('carries the policy that lets nothing in from elsewhere and nothing inline', async () => {
    const { id } = await world.add()
    const { cookie } = await world.sessionOf(mina)
    world.faults.next = null
    const pages = [
      await get('/', { cookie }),
      await get('/history', { cookie }),
      await get(`/approvals/${id}`, { cookie }),
      await get('/approvals/HP-0000000000', { cookie }),
      await get('/sign-in'),
      await get('/'),
      await post('/sign-in', { code: 'x' }),
      await post(`/approvals/${id}`, { act: 'approve' }, { cookie }),
      await get('/queues', { cookie: (await world.sessionOf(guest)).cookie }),
    ]
    for (const answer of pages) {
      const html = await answer.text()
      expect(answer.headers.get('content-security-policy')).toBe(
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
      )
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
      expect(answer.headers.get('referrer-policy')).toBe('same-origin')
      expect(answer.headers.get('cache-control')).toBe('no-store')
      expect(html).toMatch(/^<!doctype html><html lang="en">/)
      expect(html).not.toMatch(/<style|\sstyle=|\son\w+=|<script(?! src=")|javascript:|href="\/|src="\//)
    }
  })

  test('a fault inside says nothing of itself', async () => {
    const { id } = await world.add()
    const { cookie } = await world.sessionOf(mina)
    world.faults.next = new Error('password=hunter2 at 10.0.0.1')
    const answer = await get(`/approvals/${id}`, { cookie })
    expect(answer.status).toBe(500)
    expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'")
    const html = await answer.text()
    expect(html).toContain('could not answer')
    expect(html).not.toContain('hunter2')
  })

  test('what it loads is ours, kept for ever, and changes its name with its content', async () => {
    const html = await (await get('/sign-in')).text()
    const paths = [...html.matchAll(/(?:src|href)="\.\/(assets\/[^"]+)"/g)].map((match) => match[1])
    expect(paths.length).toBeGreaterThanOrEqual(3)
    for (const path of paths) {
      const answer = await get(`/${path}`)
      expect([answer.status, answer.headers.get('cache-control')]).toEqual([
        200,
        'public, max-age=31536000, immutable',
      ])
      expect(path).toMatch(/\.[0-9a-f]{12}\.(css|js|svg)$/)
    }
    expect((await get('/assets/..%2f..%2fpackage.json')).status).toBe(404)
  })

  test('paths of other rooms are not ours to judge', async () => {
    const { app } = world
    app.post('/slack/events', (c) => c.text('heard'))
    expect((await app.request('/slack/events', { method: 'POST' })).status).toBe(200)
  })
})
