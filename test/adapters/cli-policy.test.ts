/** `holdpoint policy …` against the real API and services, with revisions and waiting calls in memory. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { RecordedVerdict } from '../../src/domain/recorded-verdict.ts'
import { defaultTimings } from '../../src/domain/timings.ts'
import { silentLog } from '../../src/launch/log.ts'
import { readPolicyText, undecidableBy } from '../../src/launch/policies.ts'
import { createPolicyChanges } from '../../src/services/policy-changes.ts'
import { createSimulate } from '../../src/services/simulate.ts'
import { approvers, aRecordedVerdict } from '../support/builders.ts'
import { createMemoryDecisionLog, type MemoryDecisionLog } from '../support/memory-decision-log.ts'
import { aGateway, aWorld } from '../support/world.ts'
import { createWorld, people } from './api-world.ts'
import { holdpoint, listenOn } from './cli-runner.ts'

let directory: string
let decisionLog: MemoryDecisionLog
let world: ReturnType<typeof aWorld>
let gateway: Awaited<ReturnType<typeof aGateway>>
let door: Awaited<ReturnType<typeof listenOn>>

beforeEach(async () => {
  decisionLog = createMemoryDecisionLog()
  directory = await mkdtemp(join(tmpdir(), 'policy-'))
  world = aWorld(Date.UTC(2026, 7, 1, 9, 0, 0))
  gateway = await aGateway(world)
  const { ledger } = world
  const policies = createPolicyChanges({
    ...{ ledger, revisions: ledger.revisions, readPolicy: readPolicyText, log: silentLog },
    simulate: createSimulate({
      ...{ decisionLog, ledger, rules: gateway.rules, timings: defaultTimings },
      people: new Map(Object.entries(people)),
    }),
    ...{ judgeBy: gateway.judgeBy, servers: ['github', 'pay'], isOperator: ({ id }) => id === 'kim' },
    usualApprovers: () => null,
    undecidable: undecidableBy({
      ...{ people: new Map(Object.entries(people)), servers: new Map(), localPrincipal: null },
      agents: new Map([['bot', { name: 'bot', owner: 'jun' }]]),
    }),
  })
  door = await listenOn(createWorld({ policies }))
})
afterEach(async () => {
  await door.close()
  await rm(directory, { recursive: true })
})

const as = (person: string, answer: string | null = null) => ({
  env: { HOLDPOINT_URL: door.url, HOLDPOINT_TOKEN: `hpp_${person}` },
  answer,
})
const kim = (answer: string | null = null) => as('kim', answer)
async function aFile(text: string): Promise<string> {
  const path = join(directory, 'github.yaml')
  await writeFile(path, text)
  return path
}
async function waiting(tool: string) {
  const asked = await gateway.ask({ tool, arguments: { tool } })
  if (!asked.ok || asked.value.kind !== 'waiting') throw new Error('nobody was asked')
  return asked.value.approval
}
const numberInForce = async () => (await world.ledger.revisions.inForce()).get('github')

test('list shows every revision, who put it in force and from where', async () => {
  await world.putInForce('default: deny')
  const ran = await holdpoint(['policy', 'list', 'github'], as('lee'))
  expect(ran.err).toBe('')
  const [head, second, first] = ran.out.split('\n')
  expect(head).toMatch(/^ +REVISION +PUT IN FORCE +BY +SOURCE +DIGEST +APPROVERS$/)
  expect(second).toMatch(
    /^in force +2 .*its file, when a gateway started +policies\/github.yaml +[0-9a-f ]{14} +ops$/,
  )
  expect(first).toMatch(/^ +1 /)
  const programs = await holdpoint(['policy', 'list', 'github', '--json'], kim())
  expect(JSON.parse(programs.out).revisions).toMatchObject([{ number: 2 }, { number: 1 }])
})

test('show gives the text alone on stdout, the one in force or an earlier one', async () => {
  await world.putInForce('# 로그아웃\ndefault: deny\n')
  const inForce = await holdpoint(['policy', 'show', 'github'], kim())
  expect(inForce.out).toBe('# 로그아웃\ndefault: deny')
  expect(inForce.err).toContain('revision 2 of github')
  expect((await holdpoint(['policy', 'show', 'github', '1'], kim())).out).toBe('default: require_approval')
})

test('diff is a unified diff, and says which approvers changed', async () => {
  const more = { ...approvers, people: ['lee'] }
  await world.putInForce('default: require_approval\ndeny: [drop_table]\n', more)
  const { out, code } = await holdpoint(['policy', 'diff', 'github', '1'], kim())
  expect(code).toBe(0)
  expect(out).toContain('--- policies/github.yaml (revision 1)')
  expect(out).toContain('+deny: [drop_table]')
  expect(out).toContain('Approvers: ops → ops, lee')
})

test('apply shows first what becomes of waiting calls, and changes nothing without a yes', async () => {
  const [kept, again, forbidden, loose] = [
    await waiting('kept_tool'),
    await waiting('moved_tool'),
    await waiting('drop_table'),
    await waiting('read_file'),
  ]
  const file = await aFile(
    'default: require_approval\nallow: [read_file]\ndeny: { drop_table: Tables stay. }\nrequire_approval: { moved_tool: It moves. }\n',
  )
  const no = await holdpoint(['policy', 'apply', file, '--server', 'github'], kim('n'))
  expect([no.code, no.asked]).toEqual([1, ['Put it in force for github? [y/N] ']])
  expect(no.out).toContain('+allow: [read_file]')
  expect(no.out).toContain('Calls that wait now: 4')
  expect(no.out).toMatch(new RegExp(`${kept?.id} .*stays as it is`))
  expect(no.out).toMatch(new RegExp(`${again?.id} .*asked again \\(reason: none → “It moves.”\\)`))
  expect(no.out).toMatch(new RegExp(`${forbidden?.id} .*void: forbidden .*Tables stay`))
  expect(no.out).toMatch(new RegExp(`${loose?.id} .*would pass from now on`))
  expect(await numberInForce()).toBe(1)

  const yes = await holdpoint(['policy', 'apply', file, '--server', 'github', '--yes', '--json'], kim())
  expect(JSON.parse(yes.out)).toMatchObject({ server: 'github', number: 2 })
  expect(await world.ledger.revisions.inForceOf('github')).toMatchObject({
    number: 2,
    approvers,
    textOrigin: null,
    putBy: { kind: 'person', person: 'kim', restores: null },
  })
})

test.each([
  ['quorum: 3', '3 of ops must say yes'],
  ['stages: [{ groups: [ops] }, { groups: [leads], quorum: 2 }]', '1 of ops, then 2 of leads must say yes'],
  ['groups: [leads]', 'nobody may decide the calls of any agent to "github"'],
])('what nobody could ever decide is not put in force: %s', async (approval, said) => {
  const file = await aFile(
    `default: allow\ntools: { drop_table: { action: require_approval, approval: { ${approval} } } }\n`,
  )
  const refused = await holdpoint(['policy', 'apply', file, '--server', 'github', '--yes'], kim())
  expect(refused.code).toBe(1)
  expect(refused.err).toContain(`github.yaml#/tools/drop_table`)
  expect(refused.err).toContain(said)
  expect(refused.err).toMatch(/→ (ask for fewer yeses|name another approver)/)
  expect(await numberInForce()).toBe(1)
})

test('rollback brings the one before back, approvers included, and says who did it', async () => {
  const others = { groups: ['security'], people: [], selfConfirm: false }
  await world.putInForce('default: allow', others)
  const ran = await holdpoint(['policy', 'rollback', 'github'], kim('y'))
  expect(ran.out).toContain('Approvers: security → ops')
  expect(ran.out).toContain('Revision 3 of the policy of github is in force.')
  expect(await world.ledger.revisions.inForceOf('github')).toMatchObject({
    ...{ number: 3, text: 'default: require_approval', approvers },
    putBy: { kind: 'person', person: 'kim', restores: 1 },
  })
  expect((await holdpoint(['policy', 'list', 'github'], kim())).out).toContain(
    'kim, who brought back revision 1',
  )
})

test('refused: who is no operator, a broken file, an unknown server or number, what is in force already', async () => {
  const file = await aFile('default: require_approval\n')
  const apply = (...more: string[]) => ['policy', 'apply', file, '--server', 'github', '--yes', ...more]
  const lee = await holdpoint(apply(), as('lee'))
  expect([lee.code, lee.err]).toEqual([1, expect.stringContaining('Only operators')])
  await aFile('default: alow\n')
  const broken = await holdpoint(apply(), kim())
  expect([broken.code, broken.err]).toEqual([1, expect.stringMatching(/github\.yaml:1:10.*alow/)])
  // Its remedy stands on a line of its own.
  expect(broken.err).toMatch(/\n +→ /)
  expect((await holdpoint(['policy', 'list', 'gitlab'], kim())).err).toContain('There are: github, pay')
  expect((await holdpoint(['policy', 'show', 'github', '7'], kim())).err).toContain('no revision 7')
  expect((await holdpoint(['policy', 'rollback', 'github', '--yes'], kim())).err).toContain('the first one')
  expect((await holdpoint(['policy', 'rollback', 'github', '1', '--yes'], kim())).err).toContain(
    'in force already',
  )
  // Without a terminal it shows the effect all the same, and changes nothing.
  await aFile('default: deny\n')
  const shown = await holdpoint(['policy', 'apply', file, '--server', 'github'], kim())
  expect([shown.code, shown.out]).toEqual([2, expect.stringContaining('default: deny')])
  expect(shown.err).toContain('Add --yes')
  expect((await holdpoint(['policy', 'show', 'github', 'x'], kim())).code).toBe(2)
  expect(await numberInForce()).toBe(1)
})

test.each(['apply', 'simulate'])(
  '%s of a file that is not there, or no text, says so in words',
  async (what) => {
    const wish = (file: string) =>
      what === 'apply'
        ? ['policy', 'apply', file, '--server', 'github']
        : ['simulate', '--policy', file, '--server', 'github']
    const missing = await holdpoint(wish('/nowhere/new.yaml'), kim())
    expect(missing.code).toBe(2)
    expect(missing.err).toContain('/nowhere/new.yaml')
    expect(missing.err).toContain('there is no such file')
    expect(missing.err).not.toContain('ENOENT')
    expect((await holdpoint(wish(tmpdir()), kim())).err).toContain('this is not a file')
  },
)

test('what came into force while somebody looked at the effect is not overwritten', async () => {
  const file = await aFile('default: allow\n')
  const stage = {
    ...kim(''),
    async ask() {
      await world.putInForce('default: deny')
      return 'y'
    },
  }
  const ran = await holdpoint(['policy', 'apply', file, '--server', 'github'], stage)
  expect([ran.code, ran.err]).toEqual([1, expect.stringContaining('revision 2 is in force now')])
  expect(await numberInForce()).toBe(2)
})

const traffic = async () => {
  const atMs = await world.ledger.nowMs()
  const line = (tool: string, more: Partial<RecordedVerdict> = {}) =>
    aRecordedVerdict({ tool, atMs, ...more })
  await decisionLog.add([
    line('get_issue', { atMs: atMs - 9 * 86_400_000 }),
    line('get_issue'),
    line('merge', { paramsDigest: 'aa', arguments: '{"n":1}', keys: ['n'] }),
    line('merge', { paramsDigest: 'aa', arguments: '{"n":1}', keys: ['n'], atMs: atMs - 60_000 }),
    line('merge', { paramsDigest: 'bb', arguments: '{"n":500}', keys: ['n'], atMs: atMs - 86_400_000 }),
    line('merge', { paramsDigest: 'cc', keys: ['n'], atMs: atMs - 2 * 86_400_000 }),
    line('drop_table', { verdict: 'require_approval' }),
    line('wipe'),
    line('hidden_tool', { verdict: 'hide', rule: null }),
  ])
}
const stricter = `default: allow
deny: [wipe]
rules: [{ tools: merge, when: { path: args.n, lt: 100 }, action: require_approval }]
`

test('simulate says what would be denied, asked and let pass, how sure that is, and who would be asked how often', async () => {
  await traffic()
  const file = await aFile(stricter)
  const run = (...more: string[]) =>
    holdpoint(['simulate', '--policy', file, '--server', 'github', ...more], kim())
  const { out, err, code } = await run()
  expect([err, code]).toEqual(['', 0])
  expect(out).toMatch(
    /^Of 8 calls since .*: 2 to 3 unchanged, 1 newly denied, 2 to 3 newly asked, 1 no longer asked, 1 no longer denied\.$/m,
  )
  expect(out).toContain('1 of them cannot be judged for sure')
  expect(out).toContain('Approvals: 1 to 2.')
  expect(out).toMatch(/2 +merge +allow +require_approval +.*github\.yaml#\/rules\/0/)
  expect(out).toMatch(/1 +merge +allow +allow to require_approval/)
  expect(out).toMatch(/^kim +1\.0 +1 +2$/m)
  expect(out).not.toMatch(/^lee/m)
  expect(out).toContain('Busiest hour: 1 approvals')
  expect(out).toContain('Nobody has decided on this server yet')

  const json = JSON.parse((await run('--json')).out)
  expect(json).toMatchObject({
    calls: 8,
    uncertain: 1,
    approvals: { atLeast: 1, atMost: 2 },
    isOverBudget: false,
  })
  const over = await run('--budget-per-person-per-day', '0.5')
  expect([over.code, over.err]).toEqual([
    1,
    expect.stringContaining('kim would be asked 1.0 times a day (0.5 allowed)'),
  ])
  expect((await run('--budget-per-person-per-day', '2')).code).toBe(0)
  expect((await run('--since', '10d', '--json')).out).toContain('"calls": 9')
  await aFile('default: alow\n')
  expect((await run()).code).toBe(1)
  expect(await numberInForce()).toBe(1)
})

test('simulate says what limits would have refused, and of which calls that cannot be known', async () => {
  const atMs = await world.ledger.nowMs()
  const paid = (minutes: number, args: string | null) =>
    aRecordedVerdict({ tool: 'pay', atMs: atMs - minutes * 60_000, keys: ['n'], arguments: args })
  await decisionLog.add([paid(4, '{"n":70}'), paid(3, '{"n":40}'), paid(2, '{"n":30}'), paid(1, null)])
  const file = await aFile(
    'default: allow\ntools: { pay: { action: allow, spend_limit: { path: args.n, max: 100, window: 3600 } } }\n',
  )
  const { out } = await holdpoint(['simulate', '--policy', file, '--server', 'github'], kim())
  expect(out).toMatch(/^Of 4 calls since .*: 3 unchanged, 1 newly denied\.$/m)
  expect(out).toContain('Limits would have refused 1 of them, counted from zero at the first of these calls.')
  expect(out).toContain(
    '1 call could not be judged by a limit on an amount, because the arguments were not kept',
  )
  expect(out).toMatch(/1 +pay +allow +deny +.*#\/tools\/pay\/spend_limit/)
})

test('apply shows the effect on the last seven days, and goes on without a log', async () => {
  await traffic()
  const file = await aFile(stricter)
  const apply = () => holdpoint(['policy', 'apply', file, '--server', 'github'], kim('n'))
  expect((await apply()).out).toMatch(/Of 8 calls since .* newly denied/)
  decisionLog.isAway = true
  expect((await apply()).out).toContain('The decision log cannot be read now.')
  decisionLog.isAway = false
  decisionLog.lines = []
  expect((await apply()).out).toContain('nothing to try it on')
})
