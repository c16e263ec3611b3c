import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Approval } from '../../src/domain/approval.ts'
import { mina, owner } from '../support/builders.ts'
import { aConsole, type ConsoleWorld, guest, HOST } from '../support/console-world.ts'

let world: ConsoleWorld
let cookie: string
let token: string
beforeEach(async () => {
  world = await aConsole()
  const session = await world.sessionOf(mina)
  cookie = session.cookie
  token = session.form
})

afterEach(() => void vi.useRealTimers())

async function page(path: string, headers: Record<string, string> = {}) {
  const answer = await world.app.request(path, { headers: { host: HOST, cookie, ...headers } })
  return { status: answer.status, html: await answer.text() }
}

async function act({ id }: Approval, fields: Record<string, string>, headers: Record<string, string> = {}) {
  const answer = await world.app.request(`/approvals/${id}`, {
    method: 'POST',
    headers: {
      host: HOST,
      origin: `http://${HOST}`,
      'content-type': 'application/x-www-form-urlencoded',
      cookie,
      ...headers,
    },
    body: new URLSearchParams({ token, ...fields }).toString(),
  })
  return { status: answer.status, html: await answer.text(), location: answer.headers.get('location') }
}

const approve = ({ proposed }: Approval) => ({ act: 'approve', digest: proposed.digest })
const now = async ({ id }: Approval) => (await world.ledger.get(id))?.approval

describe('deciding', () => {
  test('records who, through which door, on which digest, and why', async () => {
    const approval = await world.add()
    const answer = await act(approval, { ...approve(approval), reason: ' checked with Kim ' })
    expect([answer.status, answer.location]).toEqual([303, `./${approval.id}`])
    expect(await now(approval)).toMatchObject({
      status: 'approved',
      decision: {
        kind: 'approve',
        by: 'mina',
        via: 'console',
        reason: 'checked with Kim',
        digest: approval.proposed.digest,
      },
    })
    const { html } = await page(`/approvals/${approval.id}`)
    expect(html).toContain('Approved by mina: “checked with Kim”')
    expect(html).not.toContain('value="approve"')
  })

  test('a digest other than that of the record decides nothing and says so', async () => {
    const approval = await world.add()
    const answer = await act(approval, { act: 'approve', digest: 'f'.repeat(64) })
    expect(answer.status).toBe(409)
    expect(answer.html).toContain('Nothing was changed.')
    expect(answer.html).toContain('ffff ffff ffff')
    expect((await now(approval))?.version).toBe(1)
  })

  test.each([
    ['no token', { token: '' }, {}],
    ['the token of another session', { token: 'A'.repeat(43) }, {}],
    ['another site', {}, { origin: 'https://evil.example' }],
    ['no origin at all', {}, { origin: '' }],
    ['not a form', {}, { 'content-type': 'text/plain' }],
    ['an unknown act', { act: 'destroy' }, {}],
    ['a reason without end', { reason: 'x'.repeat(1_001) }, {}],
    ['a form without end', { reason: 'x'.repeat(70_000) }, {}],
  ])('%s changes nothing', async (_what, fields, headers) => {
    const approval = await world.add()
    const answer = await act(approval, { ...approve(approval), ...fields }, headers)
    expect(answer.status).toBeGreaterThanOrEqual(400)
    expect(answer.status).toBeLessThan(404)
    expect((await now(approval))?.version).toBe(1)
  })

  test('the second person is told who was first', async () => {
    const approval = await world.add()
    await world.gateway.decide(approval.id, 'reject')
    const answer = await act(approval, approve(approval))
    expect(answer.status).toBe(409)
    expect(answer.html).toContain('It is over already. Denied by mina. Nothing was sent.')
  })

  test('too late is too late', async () => {
    const approval = await world.add()
    world.advance(4 * 60 * 60_000)
    cookie = (await world.sessionOf(mina)).cookie
    const shown = await page(`/approvals/${approval.id}`)
    expect(shown.html).toContain('It is too late to decide.')
    expect(shown.html).not.toContain('value="approve"')
  })

  test('an owner confirms where the rule allows it, and it is never called an approval', async () => {
    const approval = await world.add({ approvers: { groups: [], people: [], selfConfirm: true } })
    const session = await world.sessionOf(owner)
    cookie = session.cookie
    token = session.form
    const before = await page(`/approvals/${approval.id}`)
    expect(before.html).toContain('>Confirm this critical call</button>')
    expect(before.html).not.toContain('>Approve')
    await act(approval, approve(approval))
    expect((await page(`/approvals/${approval.id}`)).html).toContain('Confirmed by the owner, jun')
  })

  test('whoever may not decide is told who may, and gets no button', async () => {
    const approval = await world.add()
    const session = await world.sessionOf(guest)
    cookie = session.cookie
    token = session.form
    const { html } = await page(`/approvals/${approval.id}`)
    expect(html).toContain('You are not an approver of this call. Who may decide: anyone in ops')
    expect(html).not.toMatch(/value="(approve|reject|cancel)"/)
    const answer = await act(approval, approve(approval))
    expect([answer.status, (await now(approval))?.version]).toEqual([403, 1])
  })

  test('a record whose digest is not that of its content offers no yes', async () => {
    const approval = await world.add()
    world.faults.forge = (record) => {
      const { proposed } = record
      const canonicalParams = proposed.canonicalParams.replace('shop', 'bank')
      return { ...record, proposed: { ...proposed, canonicalParams } }
    }
    const { html } = await page(`/approvals/${approval.id}`)
    expect(html).toContain('is not the digest of what it shows')
    expect(html).not.toContain('value="approve"')
    expect(html).toContain('value="reject"')
  })
})

describe('looking', () => {
  test('all of a long call is there, with what is not visible marked', async () => {
    const last = 'the very last word'
    const approval = await world.add({
      args: { text: `${'가나다라 '.repeat(50_000)}\u202E${last}`, html: '</pre><script>alert(1)</script>' },
    })
    const { html } = await page(`/approvals/${approval.id}`)
    expect(html).toContain(`\\u{202E}${last}`)
    expect(html).toContain('&lt;/pre&gt;&lt;script&gt;alert(1)&lt;/script&gt;')
    expect(html).not.toContain('<script>alert')
  })

  test.each([
    ['many elements', { a: Array.from({ length: 300_000 }, () => 1) }],
    ['one long text', { a: 'x'.repeat(4_000_000) }],
    ['many line breaks', { a: 'a\n'.repeat(1_000_000) }],
    ['deep elements', JSON.parse(`{"a":${'['.repeat(58)}${'1,'.repeat(100_000)}1${']'.repeat(58)}}`)],
  ])(
    'what is too large to read (%s) costs little, can be saved, and is not approved here',
    async (_what, args) => {
      const approval = await world.add({ args })
      const began = performance.now()
      const { html } = await page(`/approvals/${approval.id}`)
      expect(performance.now() - began).toBeLessThan(5_000)
      expect(html.length).toBeLessThan(20_000)
      expect(html).toContain('too large to be shown here in full')
      expect(html).not.toContain('value="approve"')
      expect(html).toContain('value="reject"')
      const saved = await world.app.request(`/approvals/${approval.id}/params`, {
        headers: { host: HOST, cookie },
      })
      expect(saved.headers.get('content-disposition')).toBe(`attachment; filename="${approval.id}.json"`)
      expect(await saved.text()).toBe(approval.proposed.canonicalParams)
    },
  )

  test('the largest that is shown is shown in full, without holding up the gateway', async () => {
    const approval = await world.add({ args: { a: Array.from({ length: 130_000 }, (_, at) => at % 10) } })
    const began = performance.now()
    const { html } = await page(`/approvals/${approval.id}`)
    expect(performance.now() - began).toBeLessThan(5_000)
    expect(html).toContain('130,004 lines')
    expect(html).toContain('value="approve"')
  })

  test('a page asks again and is not disturbed while nothing has changed', async () => {
    const approval = await world.add()
    const { html } = await page(`/approvals/${approval.id}`)
    const seen = /\?seen=([^"&]+)"/.exec(html)?.[1]
    const part = { 'hx-request': 'true' }
    expect((await page(`/approvals/${approval.id}?seen=${seen}`, part)).status).toBe(204)
    await world.ledger.addWaiter(approval.id, 'gateway-1')
    const waiting = await page(`/approvals/${approval.id}?seen=${seen}`, part)
    expect(waiting.status).toBe(200)
    expect(waiting.html).toMatch(/^<article id="approval"/)
    expect(waiting.html).toContain('it runs at once, exactly as shown')
  })

  test('a page that shows another version loses its buttons and says why', async () => {
    const approval = await world.add()
    const { html } = await page(`/approvals/${approval.id}?seen=7`, { 'hx-request': 'true' })
    expect(html).toContain('What you were reading is not what would be sent now.')
    expect(html).not.toMatch(/value="(approve|reject)"/)
    expect(html).toContain('Read it again')
  })

  test('the history has every end, filtered and by pages', async () => {
    for (let count = 0; count < 60; count++) {
      const { id } = await world.add({ tool: `tool_${count}` })
      await world.gateway.decide(id, 'reject')
    }
    const expired = await world.add({ tool: 'forgotten', decisionMs: 1_000 })
    world.advance(1_000)
    await world.gateway.attend(expired.id)

    const first = await page('/history')
    expect(first.html).toContain('forgotten')
    expect(first.html).not.toContain('tool_3<')
    const after = /show=all&amp;after=(HP-\w+)/.exec(first.html)?.[1]
    const second = await page(`/history?after=${after}`)
    expect(second.html).toContain('tool_3<')
    expect(second.html).not.toContain('Older')
    const denied = await page('/history?show=denied')
    expect(denied.html).not.toContain('forgotten')
    expect((await page('/history?show=expired')).html).toContain('forgotten')
    expect((await page('/history?after=HP-x')).status).toBe(404)
    expect((await page('/history?show=<script>')).html).not.toContain('<script>')
  })

  test('an unknown end can be annotated by approvers, and stays what it is', async () => {
    const approval = await world.add()
    await act(approval, approve(approval))
    await world.loseTrack(approval.id)
    expect((await page('/history?show=unknown')).html).toContain('needs a look')
    expect((await act(approval, { act: 'annotate', finding: 'perhaps' })).status).toBe(400)
    const answer = await act(approval, { act: 'annotate', finding: 'happened', reason: 'seen in the log' })
    expect(answer.status).toBe(303)
    expect((await page(`/approvals/${approval.id}`)).html).toContain('it happened: “seen in the log”')
  })
})

describe('the stream of hints', () => {
  async function open(path: string) {
    const answer = await world.app.request(path, { headers: { host: HOST, cookie } })
    const reader = answer.body?.getReader()
    return {
      answer,
      next: async () => new TextDecoder().decode((await reader?.read())?.value),
      close: () => reader?.cancel(),
    }
  }

  test('carries hints and no content, about one approval or all', async () => {
    const approval = await world.add()
    const all = await open('/live')
    const one = await open(`/live?only=${approval.id}`)
    expect(all.answer.headers.get('content-type')).toBe('text/event-stream')
    expect(await all.next()).toBe('event: changed\ndata: look\n\n')
    expect(await one.next()).toBe('event: changed\ndata: look\n\n')
    const other = await world.add()
    expect(await all.next()).toBe('event: changed\ndata: look\n\n')
    await act(other, approve(other))
    await act(approval, approve(approval))
    expect(await one.next()).toBe('event: changed\ndata: look\n\n')
    await all.close()
    await one.close()
  })

  test('ends when the gateway stops, and none begins then', async () => {
    const stream = await open('/live')
    await stream.next()
    world.gateway.stop.abort()
    expect(await stream.next()).toBe('')
    expect((await open('/live')).answer.status).toBe(204)
  })

  test('is bounded, for each session and for all', async () => {
    const count = async (times: number) => {
      const streams = await Promise.all(Array.from({ length: times }, () => open('/live')))
      return streams.filter(({ answer }) => answer.status === 200)
    }
    const [first, ...others] = await count(6)
    expect(others).toHaveLength(3)
    await first?.close()
    expect(await count(2)).toHaveLength(1)
    let all = 4
    for (let session = 0; session < 130; session++) {
      cookie = (await world.sessionOf(mina)).cookie
      all += (await count(4)).length
    }
    expect(all).toBe(500)
    world.gateway.stop.abort()
  })

  test('ends soon after its session does', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const stream = await open('/live')
    await stream.next()
    await vi.advanceTimersByTimeAsync(15_000)
    expect(await stream.next()).toBe(': beat\n\n')
    await world.identities.signOutEverywhere('mina')
    await vi.advanceTimersByTimeAsync(15_000)
    expect(await stream.next()).toBe('')
  })
})

describe('changing the arguments and the deadline', () => {
  test('an edit is shown asked beside proposed, and everybody decides anew', async () => {
    const approval = await world.add({ args: { name: 'acme/shop', note: '안녕' } })
    const wish = {
      act: 'edit',
      digest: approval.proposed.digest,
      arguments: '{\r\n "name": "acme/test", "note": "안녕" }',
    }
    expect((await act(approval, { ...wish, reason: 'not the shop' })).status).toBe(303)
    expect(await now(approval)).toMatchObject({
      status: 'pending',
      edits: [{ by: 'mina', via: 'console', reason: 'not the shop' }],
      proposed: {
        canonicalParams: '{"arguments":{"name":"acme/test","note":"안녕"},"name":"delete_repository"}',
      },
    })
    const { html } = await page(`/approvals/${approval.id}`)
    for (const text of ['/arguments/name', '&quot;acme/shop&quot;', '&quot;acme/test&quot;', 'not the shop'])
      expect(html).toContain(text)
    const stale = await act(approval, approve(approval))
    expect(stale.status).toBe(409)
    expect(stale.html).toContain('is not what would be sent now')
  })

  test('what was typed and refused is still in the box, with the reason', async () => {
    const approval = await world.add()
    const typed = '{"name":"acme/test","name":"twice"}'
    const answer = await act(approval, { act: 'edit', digest: approval.proposed.digest, arguments: typed })
    expect(answer.status).toBe(400)
    expect(answer.html).toContain('duplicate')
    expect(answer.html).toContain(typed.replaceAll('"', '&quot;'))
  })

  test('nothing invisible is in the box', async () => {
    const approval = await world.add({ args: { name: 'acme/\u202Epohs' } })
    const { html } = await page(`/approvals/${approval.id}`)
    expect(html).toContain('acme/\\u202epohs')
    expect(html).not.toContain('\u202E')
  })

  test('more time, to a bound; who may not sees no form', async () => {
    const approval = await world.add()
    const later = String(approval.expiresAtMs + 3_600_000)
    expect((await act(approval, { act: 'extend', until: later })).status).toBe(303)
    expect(await now(approval)).toMatchObject({ expiresAtMs: Number(later) })
    const refused = await act(approval, {
      act: 'extend',
      until: String(approval.expiresAtMs + 8 * 86_400_000),
    })
    expect(refused.status).toBe(409)
    expect(refused.html).toContain('let the agent ask anew')
    for (const until of ['', 'soon', '-1', '1e300'])
      expect((await act(approval, { act: 'extend', until })).status).toBe(400)
    const asGuest = await page(`/approvals/${approval.id}`, { cookie: (await world.sessionOf(guest)).cookie })
    expect(asGuest.html).not.toContain('value="extend"')
    expect(asGuest.html).not.toContain('value="edit"')
    const asOwner = await page(`/approvals/${approval.id}`, { cookie: (await world.sessionOf(owner)).cookie })
    expect(asOwner.html).toContain('value="extend"')
    expect(asOwner.html).not.toContain('value="edit"')
  })
})

describe('your agents', () => {
  const asOwner = async () => {
    const session = await world.sessionOf(owner)
    return { headers: { cookie: session.cookie }, form: session.form }
  }
  const post = async (path: string, body: string, headers: Record<string, string>) =>
    world.app.request(path, {
      method: 'POST',
      headers: {
        host: HOST,
        origin: `http://${HOST}`,
        'content-type': 'application/x-www-form-urlencoded',
        ...headers,
      },
      body,
    })

  test('the owner sees how each call ended, how many are new, and marks what stood on the page', async () => {
    const denied = await world.add()
    await act(denied, { act: 'reject', digest: denied.proposed.digest, reason: '안 됩니다' })
    const { headers, form } = await asOwner()
    const first = await page('/agents', headers)
    expect(first.html).toContain('Your agents (1)')
    expect(first.html).toContain('Denied by mina: “안 됩니다”')
    const later = await world.add()
    await act(later, { act: 'cancel' })
    const marked = await post(
      '/agents',
      new URLSearchParams({ token: form, id: denied.id }).toString(),
      headers,
    )
    expect([marked.status, marked.headers.get('location')]).toEqual([303, './agents'])
    const second = await page('/agents', headers)
    expect(second.html).toContain('Your agents (1)')
    expect(second.html).toContain('not seen how one of these ended')
    expect((await page('/', headers)).html).toContain('Your agents (1)')
  })

  test('nobody marks or sees what is not theirs, and no foreign page marks anything', async () => {
    const denied = await world.add()
    await act(denied, { act: 'reject', digest: denied.proposed.digest })
    expect((await page('/agents')).html).not.toContain(denied.id)
    await post('/agents', new URLSearchParams({ token, id: denied.id }).toString(), { cookie })
    const { headers, form } = await asOwner()
    const body = new URLSearchParams({ token: form, id: denied.id }).toString()
    expect((await post('/agents', body, { ...headers, origin: 'https://evil.example' })).status).toBe(403)
    expect((await page('/agents', headers)).html).toContain('Your agents (1)')
  })
})

test('evidence about an unknown end is on the page, with what came later for those who may read answers', async () => {
  const approval = await world.add()
  await act(approval, approve(approval))
  await world.loseTrack(approval.id)
  const text = '{"content":[{"type":"text","text":"늦은 답 \\u202E"}]}'
  await world.ledger.keepEvidence(approval.id, text)
  const { html } = await page(`/approvals/${approval.id}`)
  for (const words of [
    'Evidence',
    'how far it came is not known',
    'nobody has looked at the upstream since',
    '늦은 답',
  ])
    expect(html).toContain(words)
  const asGuest = await page(`/approvals/${approval.id}`, { cookie: (await world.sessionOf(guest)).cookie })
  expect(asGuest.html).toContain('Evidence')
  expect(asGuest.html).not.toContain('늦은 답')
})

describe('a rule that asks for a reason', () => {
  const asking = { reasonRequired: true }
  test('the form asks for one, and what comes without one is refused with the page as it is', async () => {
    const approval = await world.add({ asking })
    const { html } = await page(`/approvals/${approval.id}`)
    expect(html).toMatch(/<textarea id="reason"[^>]* required/)
    expect(html).toContain('required by the rule')
    const refused = await act(approval, { ...approve(approval), reason: ' . ' })
    expect(refused.status).toBe(422)
    expect(refused.html).toContain('The rule asks for a reason')
    expect(await now(approval)).toMatchObject({ status: 'pending' })
    expect((await act(approval, { ...approve(approval), reason: '확인함' })).status).toBe(303)
  })
})

describe('several yeses', () => {
  const asking = { stages: [{ groups: ['ops'], people: ['guest'], quorum: 2 }] }
  const approvers = { groups: ['ops'], people: ['guest'], selfConfirm: false }

  test('the page counts them, offers to take one back, and the queue says who is missing', async () => {
    const approval = await world.add({ asking, approvers })
    expect((await act(approval, approve(approval))).status).toBe(303)
    const { html } = await page(`/approvals/${approval.id}`)
    expect(html).toContain('1 of 2 approved (mina); waiting for one more of ops or guest.')
    expect(html).toContain('Take my yes back')
    expect(html).not.toContain('value="approve"')
    expect(html).toContain('value="reject"')
    expect(html).toContain('Said yes (1 of 2)')
    const queue = await page('/')
    expect(queue.html).toContain('1 of 2 approved')
    expect(queue.html).toContain('you said yes')
    expect((await act(approval, approve(approval))).html).toContain('You have said yes already')
    expect((await act(approval, { act: 'take-back', reason: 'looked again' })).status).toBe(303)
    expect(await now(approval)).toMatchObject({ votes: [], version: 3 })
    expect((await page(`/approvals/${approval.id}`)).html).toContain('Yes taken back')
  })
})
