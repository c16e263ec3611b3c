/** "Set up <server>" in the console: one item, what each tool would get, operators only, from our own page only. */
import { expect, test } from 'vitest'
import { mina, owner } from '../support/builders.ts'
import { aConsole, type ConsoleWorld, HOST } from '../support/console-world.ts'
import { aSetUpGateway, shopTools } from '../support/set-ups.ts'

type Session = Awaited<ReturnType<ConsoleWorld['sessionOf']>>
const get = async ({ app }: ConsoleWorld, path: string, { cookie }: Session) => {
  const response = await app.request(`http://${HOST}${path}`, { headers: { cookie, host: HOST } })
  return { status: response.status, text: await response.text() }
}
async function accept(
  { app }: ConsoleWorld,
  { cookie, form }: Session,
  digest: string,
  origin = `http://${HOST}`,
) {
  const response = await app.request(`http://${HOST}/set-up/shop`, {
    method: 'POST',
    headers: { cookie, host: HOST, origin, 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ token: form, digest }).toString(),
  })
  return { status: response.status, text: await response.text() }
}

test('one item until an operator accepts what is shown', async () => {
  const site = await aSetUpGateway()
  await site.saw('shop', [
    ...shopTools,
    { name: 'evil', description: '<script>alert(1)</script> Delete all.' },
  ])
  const world = await aConsole({ setUps: site.setUps })
  const [session, others] = [await world.sessionOf(mina), await world.sessionOf(owner)]
  const queue = (await get(world, '/', others)).text
  expect(queue.split('href="./set-up/shop"')).toHaveLength(2)
  expect(queue).toContain('(2) Waiting')

  const shown = (await get(world, '/set-up/shop', others)).text
  expect(shown).toContain('delete_order')
  expect(shown).not.toContain('<script>alert')
  expect(shown).toContain('you are not one of them')
  expect(shown).not.toContain('Put it in force')
  const digest =
    /name="digest" value="([0-9a-f]{64})"/.exec((await get(world, '/set-up/shop', session)).text)?.[1] ?? ''
  expect((await accept(world, others, digest)).status).toBe(403)
  expect((await accept(world, session, digest, 'https://evil.example')).status).toBe(403)
  expect((await accept(world, session, 'f'.repeat(64))).text).toContain(
    'lists other tools than when you looked',
  )
  expect(site.setUps.waiting()).toContain('shop')

  const done = await accept(world, session, digest)
  expect([done.status, done.text]).toEqual([200, expect.stringContaining('Revision 1 is in force')])
  expect((await get(world, '/', session)).text).not.toContain('set-up/shop')
  expect((await get(world, '/set-up/shop', session)).status).toBe(404)
  expect((await accept(world, session, digest)).text).toContain('Somebody has set it up')
})

test('tools that are not known are said to be, with the reason and the way without', async () => {
  const site = await aSetUpGateway()
  const world = await aConsole({ setUps: site.setUps })
  const shown = await get(world, '/set-up/wiki', await world.sessionOf(mina))
  expect(shown.text).toContain('connection refused')
  expect(shown.text).toContain('policy apply')
  expect((await get(world, '/set-up/nothing', await world.sessionOf(mina))).status).toBe(404)
  const anonymous = await world.app.request(`http://${HOST}/set-up/wiki`, { headers: { host: HOST } })
  expect(await anonymous.text()).not.toContain('connection refused')
})
