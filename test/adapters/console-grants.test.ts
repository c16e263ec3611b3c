/** Grants in the console: said before they are given, only where the rule and the person may, listed, ended, from our own page. */
import { expect, test } from 'vitest'
import { mina, owner } from '../support/builders.ts'
import { aConsole, type ConsoleWorld, guest, HOST } from '../support/console-world.ts'

type Session = Awaited<ReturnType<ConsoleWorld['sessionOf']>>
const grants = {
  usesMax: 5,
  durationMsMax: 3_600_000,
  mayDiffer: [{ path: 'args.note', steps: ['note'], is: [{ op: 'length', is: [{ op: 'lte', value: 40 }] }] }],
} as const
const wish = { args: { name: 'acme/shop', note: '첫 번째 <b>' }, asking: { grants } } as const

const get = async ({ app }: ConsoleWorld, path: string, { cookie }: Session) =>
  (await app.request(`http://${HOST}${path}`, { headers: { cookie, host: HOST } })).text()

async function post(
  { app }: ConsoleWorld,
  path: string,
  { cookie, form }: Session,
  fields: Record<string, string>,
  more: { origin?: string; token?: string } = {},
) {
  const response = await app.request(`http://${HOST}${path}`, {
    method: 'POST',
    headers: {
      ...{ cookie, host: HOST, origin: more.origin ?? `http://${HOST}` },
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: new URLSearchParams({ token: more.token ?? form, ...fields }).toString(),
  })
  return { status: response.status, text: await response.text() }
}
const decisionOf = async ({ ledger }: ConsoleWorld, approval: Awaited<ReturnType<ConsoleWorld['add']>>) => {
  const now = (await ledger.get(approval.id))?.approval
  return now?.status === 'approved' ? now.decision : null
}

test('it is offered in words, given beside the yes, listed with its uses, and ended', async () => {
  const world = await aConsole()
  const approval = await world.add(wish)
  const session = await world.sessionOf(mina)
  const path = `/approvals/${approval.id}`
  const words =
    'also the next calls of delete_repository by night-agent with exactly these arguments, except note (any text, at most 40 characters), as many and for as long as you say here'
  expect(await get(world, path, session)).toContain(words)

  const said = { act: 'approve-and-grant', digest: approval.proposed.digest }
  expect((await post(world, path, session, said)).status).toBe(400)
  const beyond = await post(world, path, session, { ...said, grant_uses: '6', grant_ms: '600000' })
  expect([beyond.status, beyond.text]).toEqual([409, expect.stringContaining('up to 5 more calls')])
  expect(await decisionOf(world, approval)).toBeNull()
  expect((await post(world, path, session, { ...said, grant_uses: '2', grant_ms: '600000' })).status).toBe(
    303,
  )
  expect(await decisionOf(world, approval)).toMatchObject({ by: 'mina', gives: { uses: 2 } })
  expect(await get(world, path, session)).toContain('up to 2 more of such calls, until')

  const listed = await get(world, '/grants', await world.sessionOf(guest))
  expect(listed).toContain('the next 2 calls of delete_repository')
  expect(listed).toContain('0 of 2 used')
  expect(listed).not.toContain('End it')

  const end = { grant: approval.id }
  const ownSession = await world.sessionOf(owner)
  for (const more of [{ origin: 'https://evil.example' }, { token: 'guessed' }])
    expect((await post(world, '/grants', ownSession, end, more)).status).toBe(403)
  expect((await post(world, '/grants', await world.sessionOf(guest), end)).status).toBe(403)
  const ended = await post(world, '/grants', ownSession, end)
  expect([ended.status, ended.text]).toEqual([200, expect.stringContaining('It covered 0 of 2 calls.')])
  expect(ended.text).toContain('ended: jun')
  expect((await post(world, '/grants', ownSession, end)).status).toBe(409)
  expect((await post(world, '/grants', ownSession, { grant: 'HP-0000000000' })).status).toBe(404)
})

test('a plain yes grants nothing, and nobody is offered what they may not give', async () => {
  const world = await aConsole()
  const [plain, without] = [await world.add(wish), await world.add()]
  const session = await world.sessionOf(mina)
  await post(world, `/approvals/${plain.id}`, session, {
    ...{ act: 'approve', digest: plain.proposed.digest, grant_uses: '5', grant_ms: '600000' },
  })
  expect(await decisionOf(world, plain)).toMatchObject({ gives: null })
  expect(await get(world, `/approvals/${without.id}`, session)).not.toContain('approve-and-grant')
  const other = await world.add(wish)
  const page = await get(world, `/approvals/${other.id}`, await world.sessionOf(owner))
  expect(page).not.toContain('approve-and-grant')
  expect(await get(world, '/grants', session)).toContain('No grant stands')
})
