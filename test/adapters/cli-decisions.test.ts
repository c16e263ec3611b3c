/** `holdpoint decisions list` against the real API, with a decision log in memory. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { aRecordedVerdict, aTicket } from '../support/builders.ts'
import { createMemoryDecisionLog, type MemoryDecisionLog } from '../support/memory-decision-log.ts'
import { createWorld } from './api-world.ts'
import { holdpoint, listenOn } from './cli-runner.ts'

let log: MemoryDecisionLog
let door: Awaited<ReturnType<typeof listenOn>>
beforeEach(async () => {
  log = createMemoryDecisionLog()
  door = await listenOn(createWorld({ decisionLog: log }))
  const atMs = Date.now()
  await log.add([
    aRecordedVerdict({ tool: 'ancient', atMs: atMs - 8 * 86_400_000 }),
    aRecordedVerdict({ atMs, keys: ['owner', '이름'], risk: 'low' }),
    aRecordedVerdict({
      atMs,
      tool: 'drop_table',
      verdict: 'deny',
      principal: { name: 'guest-bot', owner: 'guest' },
    }),
    aRecordedVerdict({ atMs, tool: 'pay', server: 'pay', verdict: 'limited', arguments: '{"amount":5}' }),
    aRecordedVerdict({ atMs, tool: 'secret\u001b[2J', verdict: 'hide', rule: null, keys: null }),
  ])
})
afterEach(() => door.close())

const run = (person: string, ...args: string[]) =>
  holdpoint(['decisions', 'list', ...args], {
    env: { HOLDPOINT_URL: door.url, HOLDPOINT_TOKEN: `hpp_${person}` },
  })

test('shows the newest first, safely, with names of arguments or arguments', async () => {
  const { out, err, code } = await run('kim')
  expect([err, code]).toEqual(['', 0])
  const [head, hidden, pay, denied, first, ...rest] = out.split('\n')
  expect(head).toMatch(/^JUDGED AT +VERDICT +SERVER +TOOL +AGENT +RISK +REV +RULE +ARGUMENTS$/)
  expect(hidden).toMatch(/hide .*secret.*\(not kept\)$/)
  expect(out).not.toContain('\u001b')
  expect(pay).toMatch(/over a limit +pay +pay .*\{"amount":5\}$/)
  expect(denied).toMatch(/deny .*guest-bot \(guest\)/)
  expect(first).toMatch(/allow +github +list_issues +night-agent \(jun\) .*#\/allow\/0 +owner, 이름$/)
  expect(rest).toEqual([])
})

test('a call of Holdpoint itself says for which approval, what came of it and how long it took', async () => {
  const ticket = aTicket()
  const lookUp = { approval: ticket, outcome: 'answered', tookMs: 85 } as const
  await log.add([aRecordedVerdict({ atMs: Date.now(), tool: 'get_state', verdict: 'look_up', lookUp })])
  const { out } = await run('kim', '--verdict', 'look_up')
  expect(out).toMatch(new RegExp(`look-up for ${ticket}: answered, 85 ms +github +get_state`))
  const { decisions } = JSON.parse((await run('kim', '--verdict', 'look_up', '--json')).out)
  expect(decisions).toMatchObject([{ lookUp }])
})

test('filters, pages, and is there for programs', async () => {
  expect((await run('kim', '--since', '9d')).out).toContain('ancient')
  expect((await run('kim', '--verdict', 'deny')).out.split('\n')).toHaveLength(2)
  expect((await run('kim', '--server', 'pay')).out.split('\n')).toHaveLength(2)
  expect((await run('kim', '--agent', 'nobody')).out).toBe('No such call was judged in that time.')
  const page = await run('kim', '--limit', '2', '--json')
  expect(JSON.parse(page.out)).toMatchObject({ decisions: [{ id: 5 }, { id: 4 }], next: 4 })
  expect((await run('kim', '--limit', '2', '--before', '4')).out).toContain('drop_table')
  expect((await run('kim', '--since', 'yesterday')).code).toBe(2)
})

test('who is neither operator nor approver sees what their own agents did; agents see nothing', async () => {
  const { decisions } = JSON.parse((await run('guest', '--json')).out)
  expect(decisions).toMatchObject([{ agent: 'guest-bot', owner: 'guest' }])
  const asAgent = await fetch(`${door.url}/api/v1/decisions`, {
    headers: { authorization: 'Bearer hpa_bot' },
  })
  expect(asAgent.status).toBe(403)
})

test('what was only tried has a column of its own, where there is any', async () => {
  await log.add([
    aRecordedVerdict({ tool: 'tried', asIf: { verdict: 'deny', rule: 'p.yaml#/rules/0' } }),
    aRecordedVerdict({ tool: 'stopped', verdict: 'stopped', rule: 'stop 3' }),
  ])
  const [head, stopped, tried] = (await run('kim')).out.split('\n')
  expect(head).toContain('AS IF (NOT ENFORCED)')
  expect(stopped).toMatch(/ stopped .* stop 3$/)
  expect(tried).toMatch(/ allow .*deny by p\.yaml#\/rules\/0/)
  const { decisions } = JSON.parse((await run('kim', '--tried', '--json')).out)
  expect(decisions).toMatchObject([{ tool: 'tried', asIf: { verdict: 'deny', rule: 'p.yaml#/rules/0' } }])
})
