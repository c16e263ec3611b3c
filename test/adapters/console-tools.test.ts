/** The pages of tools: drift with a readable difference, accepting by those who decide, attacks, related tools, and what is only tried. */
import { beforeEach, expect, test } from 'vitest'
import { aRecordedVerdict, aRevision, mina, owner } from '../support/builders.ts'
import { aConsole, type ConsoleWorld, HOST } from '../support/console-world.ts'
import { aSetUpGateway, shopTools } from '../support/set-ups.ts'

let site: Awaited<ReturnType<typeof aSetUpGateway>>
let world: ConsoleWorld
beforeEach(async () => {
  site = await aSetUpGateway()
  await site.saw('shop', shopTools)
  world = await aConsole({ toolReviews: site.toolReviews })
})
const changed = {
  ...shopTools[0],
  inputSchema: {
    type: 'object',
    properties: { url: { type: 'string', description: '<b>Any</b> address.' } },
  },
}

async function get(path: string, person = mina) {
  const { cookie } = await world.sessionOf(person)
  const response = await world.app.request(`http://${HOST}${path}`, { headers: { cookie, host: HOST } })
  return { status: response.status, text: await response.text() }
}
async function accept(path: string, digest: string, { person = mina, origin = `http://${HOST}` } = {}) {
  const { cookie, form } = await world.sessionOf(person)
  const response = await world.app.request(`http://${HOST}${path}`, {
    method: 'POST',
    headers: { cookie, host: HOST, origin, 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ token: form, digest }).toString(),
  })
  return { status: response.status, text: await response.text() }
}
const digests = (text: string) =>
  [...text.matchAll(/name="digest" value="([0-9a-f]{64})"/g)].map(([, digest = '']) => digest)

test('one item for a server however many of its tools changed; accepting what is shown takes it away', async () => {
  expect((await get('/')).text).not.toContain('changed or appeared')
  await site.saw('shop', [changed, { name: 'wipe_shop', description: 'Wipe the shop.' }])
  const queue = (await get('/', owner)).text
  expect(queue.split('href="./tools/shop"')).toHaveLength(2)
  expect(queue).toContain('(1) Waiting')

  const shown = (await get('/tools/shop')).text
  expect(shown).toContain('2 of 5 tools changed or appeared')
  expect(shown).toContain('inputSchema.properties.url.description')
  expect(shown).toContain('&lt;b&gt;Any&lt;/b&gt; address.')
  const page = (await get('/tools/shop/get_order')).text
  const [next = '', before = ''] = digests(page)
  expect((await get('/tools/shop/get_order', owner)).text).not.toContain('Accept it')

  expect((await accept('/tools/shop/get_order', next, { person: owner })).status).toBe(403)
  expect((await accept('/tools/shop/get_order', next, { origin: 'https://evil.example' })).status).toBe(403)
  expect((await accept('/tools/shop/get_order', 'f'.repeat(64))).status).toBe(409)
  expect(site.tools.quarantineOf('shop', 'get_order')).not.toBeNull()
  expect((await accept('/tools/shop/get_order', next)).status).toBe(303)
  expect(site.tools.quarantineOf('shop', 'get_order')).toBeNull()
  expect((await accept('/tools/shop/get_order', before)).text).toContain('the server changed it again')
  expect((await get('/tools/shop')).text).toContain('1 of 5 tools changed or appeared')
})

test('keeping what was drops what waits', async () => {
  await site.saw('shop', [changed])
  const [, before = ''] = digests((await get('/tools/shop/get_order')).text)
  expect((await accept('/tools/shop/get_order', before)).status).toBe(303)
  expect((await get('/')).text).not.toContain('changed or appeared')
})

test('other words about a tool that only reads go on, and are shown; a tool says who took it, and by which rule', async () => {
  await site.saw('shop', [{ ...shopTools[0], description: 'Look one order up.' }])
  expect(site.tools.quarantineOf('shop', 'get_order')).toBeNull()
  const { text } = await get('/tools/shop')
  expect(text).toContain('all as they were accepted')
  expect(text).toMatch(/Other words, and nothing else<\/h2>.*<a href="\.\/shop\/get_order"/s)
  expect((await get('/tools/shop/get_order')).text).toContain('Its words changed and nothing else')
  expect((await get('/tools/shop/delete_order')).text).toContain('as it was when it was first seen')
  await site.saw('shop', [changed])
  const [next = ''] = digests((await get('/tools/shop/get_order')).text)
  await accept('/tools/shop/get_order', next)
  expect((await get('/tools/shop/get_order')).text).toContain(', accepted by mina, ')
})

test('a word that only stands in a policy names no tool of it', async () => {
  await site.saw('shop', [{ name: 'page', description: 'Delete a page.' }])
  expect((await get('/tools/shop/page')).text).toContain('No policy that comes with Holdpoint names it.')
})

test('a risky tool’s page says why, which attacks use such access, what is beside it and which ready policies name it', async () => {
  await site.saw('shop', [{ name: 'delete_file', description: 'Delete a file.' }])
  const { text } = await get('/tools/shop/delete_order')
  expect(text).toContain('Tool misuse and cascading failure (ASI02, ASI08)')
  expect(text).toContain('One approval is one call, at most once; limits bound the rest.')
  expect(text).toMatch(/can do the same kind of thing: <a href="\.\/delete_file"/)
  expect(text).toContain('No policy that comes with Holdpoint names it.')
  expect((await get('/tools/shop/delete_file')).text).toContain('policies/github.yaml')
  expect((await get('/tools/shop/nothing')).status).toBe(404)
  expect((await get('/tools/nowhere')).status).toBe(404)
})

test('rules in shadow are named with the calls they would have decided otherwise', async () => {
  const text = 'default: allow\nrules:\n  - { tools: "delete_*", action: deny, shadow: true }\n'
  await site.ledger.revisions.putInForce(aRevision(text, { server: 'shop', source: 'shop.yaml' }), null)
  await site.rules.refresh()
  const asIf = { verdict: 'deny', rule: 'shop.yaml#/rules/0' } as const
  await site.decisionLog.add([
    aRecordedVerdict({ server: 'shop', asIf }),
    aRecordedVerdict({ server: 'shop', asIf }),
    aRecordedVerdict({ server: 'shop' }),
    aRecordedVerdict({ server: 'other', asIf }),
    aRecordedVerdict({ server: 'shop', asIf, atMs: Date.now() - 8 * 86_400_000 }),
  ])
  const shown = (await get('/tools/shop')).text
  expect(shown).toContain('Tried, not enforced')
  expect(shown).toContain('would have decided 2 calls of the last seven days otherwise')
  site.decisionLog.isAway = true
  expect((await get('/tools/shop')).text).toContain('The decision log does not answer now.')
})
