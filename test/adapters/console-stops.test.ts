/** The kill switch in the console: a second look, operators only, from our own page only, and a banner that says who and why. */
import { expect, test } from 'vitest'
import { mina, owner } from '../support/builders.ts'
import { aConsole, type ConsoleWorld, HOST } from '../support/console-world.ts'

type Session = Awaited<ReturnType<ConsoleWorld['sessionOf']>>

const get = async ({ app }: ConsoleWorld, path: string, { cookie }: Session) =>
  (await app.request(`http://${HOST}${path}`, { headers: { cookie, host: HOST } })).text()

async function post(
  { app }: ConsoleWorld,
  { cookie, form }: Session,
  fields: Record<string, string>,
  more: { origin?: string; token?: string } = {},
) {
  const response = await app.request(`http://${HOST}/stops`, {
    method: 'POST',
    headers: {
      ...{ cookie, host: HOST, origin: more.origin ?? `http://${HOST}` },
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: new URLSearchParams({ token: more.token ?? form, ...fields }).toString(),
  })
  return { status: response.status, text: await response.text() }
}
const inForce = ({ ledger }: ConsoleWorld) => ledger.stops.inForce()
const wish = { act: 'stop', agent: 'night-agent', reason: '밤새 <b>지웠어요</b>' }

test('an operator stops and lifts after a second look; everybody sees who and why on every page', async () => {
  const world = await aConsole()
  await world.add()
  const session = await world.sessionOf(mina)
  expect(await get(world, '/stops', session)).toContain('Nothing is stopped.')
  const review = await post(world, session, wish)
  expect(review.text).toContain('Stop the agent night-agent?')
  expect(await inForce(world)).toEqual([])

  const done = await post(world, session, { ...wish, sure: 'yes' })
  expect(done.text).toContain('Stopped: the agent night-agent. Waiting calls cancelled so far: 1.')
  expect(await inForce(world)).toMatchObject([{ by: 'mina', reason: wish.reason }])
  for (const path of ['/', '/history', '/agents', '/stops']) {
    const page = await get(world, path, await world.sessionOf(owner))
    expect(page, path).toContain('Stopped: the agent night-agent')
    expect(page).toContain('by mina: 밤새 &lt;b&gt;지웠어요')
    expect(page).not.toContain('Lift…')
  }

  const lift = { act: 'lift', number: '1' }
  expect((await post(world, session, lift)).text).toContain('Lift the stop of the agent night-agent?')
  expect(await inForce(world)).toHaveLength(1)
  expect((await post(world, session, { ...lift, sure: 'yes' })).text).toContain(
    'Lifted: the agent night-agent.',
  )
  expect(await inForce(world)).toEqual([])
  expect((await post(world, session, lift)).status).toBe(409)
  expect(await get(world, '/', session)).not.toContain('Stopped:')
})

test('everything is stopped only where it was chosen', async () => {
  const world = await aConsole()
  const session = await world.sessionOf(mina)
  const nothing = await post(world, session, { act: 'stop', reason: 'x', sure: 'yes' })
  expect([nothing.status, nothing.text]).toEqual([400, expect.stringContaining('Name an agent or a server')])
  const typo = await post(world, session, { act: 'stop', server: 'githb', reason: 'x', sure: 'yes' })
  expect(typo.text).toContain('There are: github')
  expect((await post(world, session, { act: 'stop', agent: 'a', reason: ' ' })).status).toBe(400)
  const both = await post(world, session, { ...wish, everything: 'yes', sure: 'yes' })
  expect([both.status, both.text]).toEqual([400, expect.stringContaining('Everything, or only')])
  const review = await post(world, session, { act: 'stop', everything: 'yes', reason: 'fire' })
  expect(review.text).toContain('Stop everything?')
  await post(world, session, { act: 'stop', everything: 'yes', reason: 'fire', sure: 'yes' })
  expect(await inForce(world)).toMatchObject([{ scope: { server: null, agent: null } }])
})

test('not for others than operators, not from another page, not without the secret of the session', async () => {
  const world = await aConsole()
  const fields = { ...wish, sure: 'yes' }
  expect((await post(world, await world.sessionOf(owner), fields)).status).toBe(403)
  const session = await world.sessionOf(mina)
  expect((await post(world, session, fields, { origin: 'https://evil.example' })).status).toBe(403)
  expect((await post(world, session, fields, { token: 'guessed' })).status).toBe(403)
  const anonymous = await world.app.request(`http://${HOST}/stops`, { headers: { host: HOST } })
  expect(await anonymous.text()).not.toContain('Stop something')
  expect(await inForce(world)).toEqual([])
})
