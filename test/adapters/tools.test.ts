/** Tools that changed: people look at the difference and accept exactly that, through REST and on the command line. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { JsonObject } from '../../src/domain/canonical.ts'
import { type SeenTool, seenTool } from '../../src/domain/risk/drift.ts'
import { createWorld, type World } from './api-world.ts'
import { holdpoint, listenOn } from './cli-runner.ts'

const seen = (tool: JsonObject): SeenTool => {
  const made = seenTool(tool)
  if (made === null) throw new Error('it can be pinned')
  return made
}
const page = seen({
  name: 'get_page',
  description: 'Get a page',
  inputSchema: { properties: { id: { type: 'string' } } },
})
const changed = seen({
  name: 'get_page',
  description: 'Get a 페이지\u202E',
  inputSchema: { properties: { id: { type: 'string' }, url: { type: 'string' } } },
})
const later = seen({ name: 'delete_page', description: 'Delete a page' })

let world: World
let gateway: Awaited<ReturnType<typeof listenOn>>
beforeEach(async () => {
  world = createWorld()
  gateway = await listenOn(world)
  await world.toolPins.pinFirst('wiki', [page])
  await world.toolPins.letWait('wiki', changed, page.digest)
  await world.toolPins.letWait('wiki', later, null)
})
afterEach(() => gateway.close())

const as = (who: string, answer: string | null = null) => ({
  env: { HOLDPOINT_URL: gateway.url, HOLDPOINT_TOKEN: who },
  answer,
})
const stateOf = async (tool: string) => {
  const pin = (await world.toolPins.all()).find((one) => one.tool === tool)
  return {
    accepted: pin?.accepted?.digest ?? null,
    waiting: pin?.waiting?.digest ?? null,
    by: pin?.accepted?.by ?? null,
  }
}

describe('REST', () => {
  const answer = z.looseObject({ tool: z.unknown().optional() })
  const call = async (path: string, token: string, body?: object) => {
    const response = await fetch(`${gateway.url}/api/v1/tools${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return { status: response.status, body: answer.parse(await response.json()) }
  }

  test('agents see and accept nothing; people who decide nothing about the server see, and do not accept', async () => {
    expect((await call('', 'hpa_bot')).status).toBe(403)
    expect((await call('/wiki/get_page/accept', 'hpa_bot', { digest: changed.digest })).status).toBe(403)
    expect((await call('', 'hpp_guest')).status).toBe(200)
    expect((await call('/wiki/get_page/accept', 'hpp_guest', { digest: changed.digest })).status).toBe(403)
    expect(await stateOf('get_page')).toMatchObject({ accepted: page.digest, waiting: changed.digest })
  })

  test('a person accepts the digest that they saw, and no other', async () => {
    expect((await call('/wiki/get_page/accept', 'hpp_kim', { digest: later.digest })).status).toBe(409)
    expect((await call('/wiki/nothing/accept', 'hpp_kim', { digest: later.digest })).status).toBe(404)
    expect((await call('/wiki/get_page/accept', 'hpp_kim', { digest: 'x' })).status).toBe(400)
    const { status, body } = await call('/wiki/get_page/accept', 'hpp_kim', { digest: changed.digest })
    expect(status).toBe(200)
    expect(body.tool).toMatchObject({ state: 'accepted', accepted: { by: 'person:kim' }, waiting: null })
    expect((await call('/wiki/get_page/accept', 'hpp_kim', { digest: changed.digest })).status).toBe(409)
  })
})

describe('the command line', () => {
  test('lists what waits, with its category and level', async () => {
    const { out, code } = await holdpoint(['tools', 'list'], as('hpp_kim'))
    expect(code).toBe(0)
    expect(out).toMatch(/^wiki +get_page +changed +read +medium /m)
    expect(out).toMatch(/^wiki +delete_page +new +destructive +critical /m)
    expect(JSON.parse((await holdpoint(['tools', 'list', '--json'], as('hpp_kim'))).out).tools).toHaveLength(
      2,
    )
  })

  test('shows the difference member by member, and what would be invisible', async () => {
    const { out, err } = await holdpoint(['tools', 'diff', 'wiki', 'get_page'], as('hpp_kim'))
    expect(out).toContain('description\n  - Get a page\n  + Get a 페이지\\u{202E}')
    expect(out).toContain('inputSchema.properties.url.type\n  + string')
    expect(err).toContain(`--digest ${changed.digest}`)
  })

  test('accepts after a yes to what was shown', async () => {
    const no = await holdpoint(['tools', 'accept', 'wiki', 'get_page'], as('hpp_kim', 'n'))
    expect(no.code).toBe(1)
    expect(no.err).toContain('  + Get a 페이지')
    const unasked = await holdpoint(['tools', 'accept', 'wiki', 'get_page'], as('hpp_kim'))
    expect(unasked.code).toBe(2)
    expect(await stateOf('get_page')).toMatchObject({ waiting: changed.digest })
    expect((await holdpoint(['tools', 'accept', 'wiki', 'get_page'], as('hpp_kim', 'y'))).code).toBe(0)
    expect(await stateOf('get_page')).toEqual({ accepted: changed.digest, waiting: null, by: 'person:kim' })
    expect((await holdpoint(['tools', 'list'], as('hpp_kim'))).out).not.toContain('get_page')
  })

  test('accepts a digest without asking, and keeps what was there', async () => {
    const wrong = await holdpoint(
      ['tools', 'accept', 'wiki', 'get_page', '--digest', 'a'.repeat(64)],
      as('hpp_kim'),
    )
    expect(wrong.code).toBe(1)
    expect(wrong.err).toContain('Nothing with this digest waits')
    expect((await holdpoint(['tools', 'accept', 'wiki', 'get_page', '--keep'], as('hpp_kim'))).code).toBe(0)
    expect(await stateOf('get_page')).toEqual({ accepted: page.digest, waiting: null, by: 'person:kim' })
    expect((await holdpoint(['tools', 'accept', 'wiki', 'delete_page', '--keep'], as('hpp_kim'))).code).toBe(
      1,
    )
    const digest = ['tools', 'accept', 'wiki', 'delete_page', '--digest', later.digest]
    expect((await holdpoint(digest, as('hpp_kim'))).code).toBe(0)
    expect((await holdpoint(['tools', 'list'], as('hpp_kim'))).out).toContain('No tool waits to be accepted.')
  })
})
