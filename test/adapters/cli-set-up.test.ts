/** `holdpoint set-up` and its API: what is proposed, accepted by its digest, written to a file to be changed. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readPolicyText } from '../../src/launch/policies.ts'
import { aSetUpGateway, shopTools } from '../support/set-ups.ts'
import { createWorld } from './api-world.ts'
import { holdpoint, listenOn } from './cli-runner.ts'

let site: Awaited<ReturnType<typeof aSetUpGateway>>
let door: Awaited<ReturnType<typeof listenOn>>
let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'set-up-'))
  site = await aSetUpGateway({ operator: 'kim' })
  await site.saw('shop', shopTools)
  door = await listenOn(createWorld({ setUps: site.setUps }))
})
afterEach(async () => {
  await door.close()
  await rm(directory, { recursive: true })
})
const as = (person: string, answer: string | null = null) => ({
  env: { HOLDPOINT_URL: door.url, HOLDPOINT_TOKEN: `hpp_${person}` },
  answer,
})

test('it lists, shows what each tool would get, and asks before it accepts', async () => {
  expect((await holdpoint(['set-up'], as('lee'))).out).toEqual('shop\nwiki')
  const shown = await holdpoint(['set-up', 'shop', '--accept'], as('kim', 'n'))
  expect(shown.out).toContain('4 tools: 2 would ask, 2 would pass')
  expect(shown.out).toMatch(/ask\s+delete_order\s+critical\s+Critical, destructive: /)
  expect([shown.code, shown.err]).toEqual([1, expect.stringContaining('Nothing was put in force.')])
  expect(site.setUps.waiting()).toContain('shop')

  const unknown = await holdpoint(['set-up', 'wiki', '--accept'], as('kim', 'y'))
  expect(unknown.out).toContain('its tools are not known: it cannot be reached: connection refused')
  expect(unknown.code).toBe(1)

  const others = await holdpoint(['set-up', 'shop', '--accept'], as('lee', 'y'))
  expect([others.code, others.err]).toEqual([
    1,
    expect.stringContaining('Only operators put policies in force'),
  ])
  const done = await holdpoint(['set-up', 'shop', '--accept'], as('kim', 'y'))
  expect([done.code, done.err]).toEqual([
    0,
    expect.stringContaining('Revision 1 of the policy of shop is in force.'),
  ])
  expect((await holdpoint(['set-up', 'shop'], as('kim'))).err).toContain('No server of this name waits')
})

test('without a terminal only exactly what was looked at', async () => {
  const { out } = await holdpoint(['set-up', 'shop', '--json'], as('kim'))
  const { proposal } = JSON.parse(out)
  expect((await holdpoint(['set-up', 'shop', '--accept'], as('kim'))).code).toBe(2)
  const wrong = await holdpoint(['set-up', 'shop', '--accept', '--digest', 'a'.repeat(64)], as('kim'))
  expect(wrong.err).toContain('The server lists other tools than when you looked')
  expect((await holdpoint(['set-up', 'shop', '--accept', '--digest', proposal.digest], as('kim'))).code).toBe(
    0,
  )
})

test('the file it writes is a policy, and an existing one stays', async () => {
  const file = join(directory, 'shop.yaml')
  const wrote = await holdpoint(['set-up', 'shop', '--write', file], as('kim'))
  expect(wrote.err).toContain(`policy apply ${file} --server shop`)
  const text = await readFile(file, 'utf8')
  expect(readPolicyText('shop.yaml', text)).toMatchObject({ ok: true })
  expect((await holdpoint(['set-up', 'shop', '--write', file], as('kim'))).code).toBe(1)
  expect(await readFile(file, 'utf8')).toBe(text)
})
