/** The kill switch on the command line and over the REST API, against the real services over memory. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { clock } from '../../src/launch/clock.ts'
import { silentLog } from '../../src/launch/log.ts'
import { createStopChanges } from '../../src/services/stop-changes.ts'
import { createStopsInForce } from '../../src/services/stops-in-force.ts'
import { aGateway, aWorld } from '../support/world.ts'
import { createWorld } from './api-world.ts'
import { holdpoint, listenOn } from './cli-runner.ts'

let world: ReturnType<typeof aWorld>
let gateway: Awaited<ReturnType<typeof aGateway>>
let door: Awaited<ReturnType<typeof listenOn>>

beforeEach(async () => {
  world = aWorld(Date.UTC(2026, 7, 1, 9, 0, 0))
  gateway = await aGateway(world)
  const { stops } = world.ledger
  door = await listenOn(
    createWorld({
      stops: createStopChanges({
        ...{ stops, inForce: createStopsInForce({ stops, clock, log: silentLog }), log: silentLog },
        ...{ cancelStopped: gateway.cancelStopped, servers: ['github', 'pay'] },
        ...{ isKnownAgent: (name) => name === 'night-agent', isOperator: ({ id }) => id === 'kim' },
      }),
    }),
  )
})
afterEach(() => door.close())

const as = (person: string, answer: string | null = null) => ({
  env: { HOLDPOINT_URL: door.url, HOLDPOINT_TOKEN: `hpp_${person}` },
  answer,
})
const kim = (answer: string | null = null) => as('kim', answer)
const inForce = () => world.ledger.stops.inForce()
const post = (path: string, token: string, body: unknown) =>
  fetch(`${door.url}/api/v1/stops${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })

test('stop says first what it covers, and stops nothing without a yes', async () => {
  const args = ['stop', '--agent', 'night-agent', '--server', 'github', '--reason', '밤새 지웠어요']
  const no = await holdpoint(args, kim('n'))
  expect([no.code, no.asked]).toEqual([
    1,
    ['Stop the agent night-agent at the server github? Calls that wait are cancelled. [y/N] '],
  ])
  expect(await inForce()).toEqual([])
  expect((await holdpoint(args, kim())).err).toContain('Add --yes')

  await gateway.ask({})
  const yes = await holdpoint(args, kim('y'))
  expect([yes.code, yes.err]).toEqual([0, ''])
  expect(yes.out).toContain('Stopped: the agent night-agent at the server github (stop 1).')
  expect(yes.out).toContain('Waiting calls cancelled so far: 1.')
  expect(await inForce()).toMatchObject([
    {
      ...{ number: 1, reason: '밤새 지웠어요', by: 'kim' },
      scope: { server: 'github', tool: null, agent: 'night-agent', owner: null },
    },
  ])
  const again = await holdpoint([...args, '--yes'], kim())
  expect(again.out).toMatch(/is stopped already, since .* by kim \(stop 1\): 밤새 지웠어요/)
})

test('an unknown server is refused, and an agent that no file names is pointed out', async () => {
  const typo = await holdpoint(['stop', '--server', 'githb', '--reason', 'x', '--yes'], kim())
  expect([typo.code, typo.err]).toEqual([
    1,
    expect.stringContaining('Nothing was stopped: there is no such server. There are: github, pay'),
  ])
  const agent = await holdpoint(['stop', '--agent', 'nite-agent', '--reason', 'x', '--yes'], kim())
  expect([agent.code, agent.err]).toEqual([
    0,
    expect.stringContaining('No agent of holdpoint.yaml is called'),
  ])
})

test.each([
  [['--reason', 'x'], 'Say what to stop'],
  [['--all', '--agent', 'a', '--reason', 'x'], '--all is everything'],
  [['--tool', 'drop', '--reason', 'x'], 'needs its --server'],
  [['--owner', 'jun', '--server', 'github', '--reason', 'x'], 'needs the --agent'],
  [['--all', '--reason', ' '], 'must not be empty'],
  [['--all'], "required option '--reason"],
])('%j is used wrongly', async (args, why) => {
  const ran = await holdpoint(['stop', ...args, '--yes'], kim())
  expect([ran.code, ran.err]).toEqual([2, expect.stringContaining(why)])
  expect(await inForce()).toEqual([])
})

test('list shows what is stopped, and with --lifted what was; resume lifts one or all', async () => {
  expect((await holdpoint(['stops', 'list'], as('lee'))).out).toBe('Nothing is stopped.')
  await holdpoint(['stop', '--all', '--reason', 'fire', '--yes'], kim())
  await holdpoint(['stop', '--server', 'pay', '--tool', 'refund', '--reason', 'loop', '--yes'], kim())
  const [head, first, second] = (await holdpoint(['stops', 'list'], as('lee'))).out.split('\n')
  expect(head).toMatch(/^STOP +WHAT +BY +SINCE +LIFTED +REASON$/)
  expect(first).toMatch(/^1 +everything +kim .* fire$/)
  expect(second).toMatch(/^2 +the tool refund of the server pay +kim .* loop$/)
  const programs = await holdpoint(['stops', 'list', '--json'], kim())
  expect(JSON.parse(programs.out).stops).toMatchObject([
    { number: 1 },
    { number: 2, covers: { tool: 'refund' } },
  ])

  const one = await holdpoint(['resume', '1'], kim('y'))
  expect([one.code, one.asked]).toEqual([0, ['Lift stop 1? [y/N] ']])
  expect(one.out).toContain('Lifted: everything (stop 1).')
  const late = await holdpoint(['resume', '1', '--yes'], kim())
  expect([late.code, late.err]).toEqual([1, expect.stringContaining('was lifted by kim before')])
  expect((await holdpoint(['resume', '--yes'], kim())).code).toBe(2)
  expect((await holdpoint(['resume', '9', '--yes'], kim())).err).toContain('There is no stop 9')
  const all = await holdpoint(['resume', '--all', '--yes', '--json'], kim())
  expect(JSON.parse(all.out).stops).toMatchObject([{ number: 2, lifted: { by: 'kim' } }])
  expect((await holdpoint(['resume', '--all', '--yes'], kim())).out).toBe('Nothing is stopped.')
  const history = await holdpoint(['stops', 'list', '--lifted'], kim())
  expect(history.out).toMatch(/\n2 .*by kim +loop\n1 /)
})

test('only operators stop and lift; the tokens of agents do neither and see nothing', async () => {
  const refused = await holdpoint(['stop', '--all', '--reason', 'x', '--yes'], as('lee'))
  expect([refused.code, refused.err]).toEqual([1, expect.stringContaining('Only operators')])
  await holdpoint(['stop', '--all', '--reason', 'x', '--yes'], kim())
  expect((await holdpoint(['resume', '1', '--yes'], as('lee'))).code).toBe(1)
  for (const path of ['', '/1/lift']) {
    const agent = await post(path, 'hpa_bot', { everything: true, reason: 'x' })
    expect(agent.status).toBe(403)
    expect(await agent.json()).toMatchObject({ error: { code: 'agents_decide_nothing' } })
  }
  const reading = await fetch(`${door.url}/api/v1/stops`, { headers: { authorization: 'Bearer hpa_bot' } })
  expect(reading.status).toBe(403)
  expect(await inForce()).toHaveLength(1)
})

test('a body that stops everything by mistake, or cannot be kept, is refused', async () => {
  for (const body of [
    ...[{ reason: 'x' }, { everything: true }, { everything: true, agent: 'a', reason: 'x' }],
    ...[
      { agent: '', reason: 'x' },
      { agent: 'a\u0000', reason: 'x' },
      { agent: 'a', reason: '  ' },
    ],
    ...[
      { tool: 't', reason: 'x' },
      { server: 'github', owner: 'jun', reason: 'x' },
      { sever: 'github', reason: 'x' },
    ],
  ]) {
    expect((await post('', 'hpp_kim', body)).status, JSON.stringify(body)).toBe(400)
  }
  expect(await inForce()).toEqual([])
})
