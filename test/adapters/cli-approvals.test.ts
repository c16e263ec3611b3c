import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createWorld, minutes, START_MS, ticket, type World } from './api-world.ts'
import { holdpoint, listenOn } from './cli-runner.ts'

let world: World
let gateway: Awaited<ReturnType<typeof listenOn>>
beforeEach(async () => {
  world = createWorld()
  gateway = await listenOn(world)
})
afterEach(() => gateway.close())

const as = (who: string, answer: string | null = null) => ({
  env: { HOLDPOINT_URL: gateway.url, HOLDPOINT_TOKEN: who },
  answer,
})
const kim = () => as('hpp_kim')
const TICKET = 'HP-7K2M9Q4T0X'
const statusOf = (id = TICKET) => world.get(ticket(id))?.status

describe('list', () => {
  test('shows the open ones as a table and for programs', async () => {
    world.add()
    world.add({ id: 'HP-AAAAAAAAA1', createdAtMs: START_MS - 1 })
    await world.change(ticket('HP-AAAAAAAAA1'), { kind: 'cancel', by: 'kim', reason: null })
    const ran = await holdpoint(['approvals', 'list'], kim())
    expect(ran.code).toBe(0)
    const [head, row, ...rest] = ran.out.split('\n')
    expect(head).toMatch(/^TICKET +RISK +STATE +SERVER +TOOL +ASKED BY/)
    expect(row).toMatch(
      /^HP-7K2M9Q4T0X +Critical +pending +nworks +nworks_logout +bot \(owner\) .* 3 h 55 min$/,
    )
    expect(rest).toEqual([])

    const how = await holdpoint(['approvals', 'list', '--all'], kim())
    expect(how.out).toMatch(/HP-AAAAAAAAA1 +Critical +withdrawn /)
    const all = await holdpoint(['approvals', 'list', '--all', '--json'], kim())
    expect(JSON.parse(all.out).approvals.map((one: { id: string }) => one.id)).toEqual([
      TICKET,
      'HP-AAAAAAAAA1',
    ])
  })

  test('says so when nothing waits', async () => {
    const ran = await holdpoint(['approvals', 'list', '--status', 'pending'], kim())
    expect([ran.code, ran.out]).toEqual([0, 'No approval is pending.'])
    expect((await holdpoint(['approvals', 'list'], kim())).out).toBe('Nothing is open.')
    expect((await holdpoint(['approvals', 'list', '--all'], kim())).out).toBe('There are no approvals.')
  })
})

describe('show', () => {
  test('prints the approval as an approver sees it', async () => {
    const { proposed, id } = world.add({
      toolTitle: 'NAVER WORKS 로그아웃',
      args: { profile: 'default', note: '안녕' },
    })
    world.wait(id)
    const { code, out } = await holdpoint(['approvals', 'show', TICKET.toLowerCase()], kim())
    expect(code).toBe(0)
    expect(out).toContain(
      'Critical  NAVER WORKS 로그아웃 (nworks_logout)  HP-7K2M9Q4T0X\nWaiting for a decision',
    )
    expect(out).toContain('  Asked by        bot, for whom owner answers')
    expect(out).toContain('  Why it asks     logs everybody out (rule nworks.json#/tools/nworks_logout)')
    expect(out).toContain('  A yes now       it runs at once, exactly as shown')
    expect(out).toContain(
      'Arguments (37 bytes, in full)\n  {\n    "note": "안녕",\n    "profile": "default"\n  }\n',
    )
    expect(out).toContain(`  ${proposed.digest}`)
    expect(out).toMatch(/History \(the chain of its audit events holds\)\n {2}\S+ {2}bot asked\n/)
    expect(out).toContain(
      `Approve: npx holdpoint approvals approve ${TICKET} · Deny: npx holdpoint approvals deny ${TICKET}`,
    )
  })

  test('hostile text never reaches the terminal as it is, and nothing of it is left out', async () => {
    world.add({
      client: 'x\u001b[2J\u001b]0;owned\u0007',
      toolTitle: '\u202Eeteled',
      reason: 'a\nApprove: yes',
      args: { body: `${'\n'.repeat(500)}\u202Ergb\u001b[31m`, '\u200Bkey': '\u2028' },
    })
    for (const hasColours of [false, true]) {
      const { out } = await holdpoint(['approvals', 'show', TICKET], { ...kim(), hasColours })
      // biome-ignore lint/suspicious/noControlCharactersInRegex: our own colours are escapes, and the only ones allowed
      const withoutColours = out.replace(/\u001b\[\d{1,2}m/g, '').replaceAll('\n', '')
      expect(withoutColours).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
      expect(out.includes('\u001b[')).toBe(hasColours)
      expect(out).toContain(`"${'\\n'.repeat(500)}\\u{202E}rgb\\u001b[31m"`)
      expect(out).toContain('"\\u{200B}key": "\\u{2028}"')
      expect(out.split('\n').length).toBeLessThan(40)
    }
  })

  test('an answer is shown on demand', async () => {
    await world.answer(world.add(), '{"content":[{"type":"text","text":"bye\u202E"}]}')
    const brief = await holdpoint(['approvals', 'show', TICKET], kim())
    expect(brief.out).toContain('Approved by kim. It ran once; the server answered')
    expect(brief.out).not.toContain('bye')
    const full = await holdpoint(['approvals', 'show', TICKET, '--reply'], kim())
    expect(full.out).toContain('"text": "bye\\u{202E}"')
    expect(full.out).toMatch(
      / bot asked\n.* kim approved, over the API\n.* about to be sent.*\n.* the server answered/,
    )
  })

  test('the owner is told that somebody else decides', async () => {
    world.add()
    const { out } = await holdpoint(['approvals', 'show', TICKET], as('hpp_owner'))
    expect(out).toContain(
      'somebody else has to decide. Who may decide: anyone in ops, lee; never the owner of the agent.',
    )
    expect(out).not.toContain('approvals approve')
  })
})

describe('tickets', () => {
  test('a beginning that fits one open approval is enough', async () => {
    world.add()
    world.add({ id: 'HP-7ZZZZZZZZZ' })
    for (const typed of ['hp-7k', '7k2', 'HP7K']) {
      expect((await holdpoint(['approvals', 'show', typed], kim())).out).toContain(TICKET)
    }
    const both = await holdpoint(['approvals', 'show', '7'], kim())
    expect([both.code, both.out]).toEqual([1, ''])
    expect(both.err).toContain('2 approvals begin with HP-7: ')
    const none = await holdpoint(['approvals', 'approve', 'hp-9', '--yes'], kim())
    expect([none.code, none.err]).toEqual([1, expect.stringContaining('No approval that is pending begins')])
    const wrong = await holdpoint(['approvals', 'show', 'HP-\u202E!'], kim())
    expect(wrong.err).toContain('“HP-\\u{202E}!” is not a ticket.')
  })
})

describe('approve', () => {
  test.each([
    ['y', 0, 'approved'],
    ['YES', 0, 'approved'],
    ['', 1, 'pending'],
    ['n', 1, 'pending'],
    ['yeah', 1, 'pending'],
  ])('shows it, asks, and takes %j for an answer', async (answer, code, status) => {
    world.add({ args: { profile: 'default' } })
    const ran = await holdpoint(['approvals', 'approve', TICKET], as('hpp_kim', answer))
    expect([ran.code, statusOf()]).toEqual([code, status])
    expect(ran.asked).toEqual(['Approve this call, exactly as shown? [y/N] '])
    expect(ran.out).toContain('"profile": "default"')
    if (code === 0)
      expect(ran.out).toMatch(/Approved by kim\. It runs once the agent is there for the result/)
  })

  test('the owner confirms, under that name, where the rule lets them', async () => {
    world.add({ approvers: { groups: [], people: [], selfConfirm: true } })
    const ran = await holdpoint(['approvals', 'approve', TICKET], as('hpp_owner', 'y'))
    expect(ran.asked).toEqual(['Confirm this call, exactly as shown? [y/N] '])
    expect(ran.out).toContain('Confirmed by the owner, owner.')
  })

  test('without a terminal it needs --yes', async () => {
    world.add()
    const ran = await holdpoint(['approvals', 'approve', TICKET], kim())
    expect([ran.code, ran.err, statusOf()]).toEqual([2, expect.stringContaining('--yes'), 'pending'])
    const yes = await holdpoint(
      ['approvals', 'approve', TICKET, '--yes', '--json', '--reason', 'planned'],
      kim(),
    )
    expect(yes.code).toBe(0)
    expect(JSON.parse(yes.out).decision).toMatchObject({ kind: 'approve', via: 'cli', reason: 'planned' })
    expect(yes.err).toContain('Waiting for a decision')
  })

  test('--digest pins what was looked at before', async () => {
    const { proposed } = world.add()
    const approve = (digest: string) =>
      holdpoint(['approvals', 'approve', TICKET, '--yes', '--digest', digest], kim())
    expect((await approve('abcd')).code).toBe(2)
    const other = await approve('0123456789ab')
    expect([other.code, statusOf()]).toEqual([1, 'pending'])
    expect(other.err).toContain('not what you looked at')
    const { digest } = proposed
    const grouped = `${digest.slice(0, 4)} ${digest.slice(4, 8)} ${digest.slice(8, 12)}`
    expect((await approve(grouped)).code).toBe(0)
    expect(statusOf()).toBe('approved')
  })

  test('a gateway whose digest does not belong to what it shows gets no yes', async () => {
    const { code, err, body } = await withLyingGateway(async (env) => ({
      ...(await holdpoint(['approvals', 'approve', TICKET, '--yes'], { env })),
    }))
    expect(code).toBe(1)
    expect(err).toContain('not the digest of what it shows. Do not approve this.')
    expect(body).toBe('')
  })

  test('a refusal is told in the words of the gateway', async () => {
    const { proposed } = world.add()
    const { digest } = proposed
    await world.change(ticket(TICKET), {
      kind: 'decide',
      decision: { kind: 'approve', by: 'lee', reason: null, digest, via: 'api' },
    })
    const late = await holdpoint(['approvals', 'approve', TICKET, '--yes'], kim())
    expect([late.code, late.err]).toEqual([1, 'Nothing was decided. It is decided already.'])
    const deny = await holdpoint(['approvals', 'deny', TICKET], kim())
    expect(deny.err).toContain('Already decided at 2026-08-01T09:05:00.000Z. Approved by lee.')
  })
})

/** Shows other arguments than those the digest is of. */
async function withLyingGateway<T>(use: (env: Record<string, string>) => Promise<T>) {
  world.add({ args: { amount: 1 } })
  let body = ''
  const liar = createServer((request, response) => {
    request.on('data', (chunk) => {
      body += chunk
    })
    const path = `/approvals/${TICKET}`
    void Promise.resolve(world.api.request(path, { headers: { authorization: 'Bearer hpp_kim' } }))
      .then((answer) => answer.text())
      .then((text) => response.end(text.replace('\\"amount\\":1', '\\"amount\\":9')))
  })
  await new Promise<void>((resolve) => liar.listen(0, '127.0.0.1', resolve))
  const address = liar.address()
  const port = address !== null && typeof address !== 'string' ? address.port : 0
  try {
    const used = await use({ HOLDPOINT_URL: `http://127.0.0.1:${port}`, HOLDPOINT_TOKEN: 'hpp_kim' })
    return { ...used, body }
  } finally {
    liar.closeAllConnections()
    liar.close()
  }
}

describe('deny, cancel, annotate', () => {
  test('a no is one command, with its reason', async () => {
    world.add()
    const ran = await holdpoint(['approvals', 'deny', TICKET, '--reason', '오늘은 안 됩니다'], kim())
    expect([ran.code, ran.out]).toEqual([
      0,
      `${TICKET}  Denied by kim: “오늘은 안 됩니다”. Nothing was sent.`,
    ])
  })

  test('the owner who would deny the call of their agent is told how to withdraw it, and does', async () => {
    world.add()
    const no = await holdpoint(['approvals', 'deny', TICKET], as('hpp_owner'))
    expect([no.code, statusOf()]).toEqual([1, 'pending'])
    expect(no.err).toContain(`→ \`npx holdpoint approvals cancel ${TICKET}\` withdraws it.`)
    const ran = await holdpoint(['approvals', 'cancel', 'hp-7k'], as('hpp_owner'))
    expect(ran.out).toBe(`${TICKET}  Withdrawn by owner. Nothing was sent.`)
  })

  test('what was found out about an unknown end is noted', async () => {
    const { proposed, id } = world.add()
    const { digest } = proposed
    const decision = { kind: 'approve', by: 'kim', reason: null, digest, via: 'cli' } as const
    await world.change(id, { kind: 'decide', decision })
    await world.change(id, { kind: 'claim', node: 'n' })
    await world.change(id, { kind: 'lose_track', reason: 'the connection broke' })
    const ran = await holdpoint(
      ['approvals', 'annotate', TICKET, '--finding', 'did-not-happen'],
      as('hpp_lee'),
    )
    expect(ran.out).toContain('lee looked: it did not happen.')
    expect((await holdpoint(['approvals', 'annotate', TICKET], kim())).code).toBe(2)
  })

  test('too late is said', async () => {
    world.add()
    world.state.nowMs = START_MS + 240 * minutes
    const ran = await holdpoint(['approvals', 'deny', TICKET], kim())
    expect([ran.code, ran.err]).toEqual([
      1,
      expect.stringContaining('Too late: the time for a decision ended'),
    ])
  })
})

describe('what is in the way', () => {
  test.each([
    ['no token', { HOLDPOINT_TOKEN: '' }, 2, 'HOLDPOINT_TOKEN is not set'],
    ['a token with a line break', { HOLDPOINT_TOKEN: 'hpp_a\nx' }, 2, 'characters that no token has'],
    ['a URL that is none', { HOLDPOINT_URL: 'localhost:8484' }, 2, 'HOLDPOINT_URL is not'],
    ['a URL with a password', { HOLDPOINT_URL: 'http://a:b@localhost' }, 2, 'HOLDPOINT_URL is not'],
    ['no gateway', { HOLDPOINT_URL: 'http://127.0.0.1:1' }, 1, 'No gateway answers at http://127.0.0.1:1.'],
    ['a token nobody knows', { HOLDPOINT_TOKEN: 'hpp_nobody' }, 1, 'does not accept HOLDPOINT_TOKEN'],
    ['a token of the last start', { HOLDPOINT_TOKEN: 'hpp_old' }, 1, 'prints a new token at each start'],
    ["an agent's token", { HOLDPOINT_TOKEN: 'hpa_bot' }, 1, 'This is the token of an agent.'],
  ])('%s', async (_name, env, code, message) => {
    const { env: good } = kim()
    const ran = await holdpoint(['approvals', 'list'], { env: { ...good, ...env } })
    expect([ran.code, ran.out]).toEqual([code, ''])
    expect(ran.err).toContain(message)
  })

  test('something else answers there', async () => {
    const { env } = kim()
    const ran = await holdpoint(['approvals', 'list'], {
      env: { ...env, HOLDPOINT_URL: `${gateway.url}/elsewhere` },
    })
    expect(ran.err).toContain('is not a Holdpoint gateway')
  })
})

describe('edit and extend', () => {
  test('an edit from a file shows asked and proposed', async () => {
    world.add({ args: { profile: 'default' } })
    const dir = await mkdtemp(join(tmpdir(), 'holdpoint-edit-'))
    const file = join(dir, 'arguments.json')
    await writeFile(file, '{ "profile": "시험" }')
    const ran = await holdpoint(['approvals', 'edit', TICKET, '--arguments', file, '--reason', 'test'], kim())
    expect([ran.err, ran.code]).toEqual(['', 0])
    expect(ran.out).toContain('/arguments/profile')
    expect(ran.out).toContain('asked     "default"')
    expect(ran.out).toContain('proposed  "시험"')
    expect(world.get(ticket(TICKET))).toMatchObject({ edits: [{ by: 'kim', via: 'cli', reason: 'test' }] })
    const shown = await holdpoint(['approvals', 'show', TICKET], kim())
    expect(shown.out).toContain('Edited')
    expect(shown.out).toContain('kim changed the arguments, in the command line: “test”')
    const missing = await holdpoint(['approvals', 'edit', TICKET, '--arguments', join(dir, 'none')], kim())
    expect(missing.code).toBe(1)
    expect(missing.err).toContain('could not be read')
    await rm(dir, { recursive: true })
  })

  test('more time is from the present deadline on, or until an instant', async () => {
    const { expiresAtMs } = world.add()
    const ran = await holdpoint(['approvals', 'extend', TICKET, '--by', '2h'], kim())
    expect([ran.err, ran.code]).toEqual(['', 0])
    expect(world.get(ticket(TICKET))?.expiresAtMs).toBe(expiresAtMs + 2 * 60 * minutes)
    await holdpoint(['approvals', 'extend', TICKET, '--until', '2026-08-02T10:00:00+09:00'], kim())
    expect(world.get(ticket(TICKET))?.expiresAtMs).toBe(Date.UTC(2026, 7, 2, 1))
    for (const wrong of [
      [],
      ['--by', '2h', '--until', '2026-08-02T10:00:00Z'],
      ['--by', 'soon'],
      ['--until', 'x'],
    ]) {
      expect((await holdpoint(['approvals', 'extend', TICKET, ...wrong], kim())).code).toBe(2)
    }
    const late = await holdpoint(['approvals', 'extend', TICKET, '--by', '30d'], kim())
    expect(late.err).toContain('The latest time for a decision')
  })
})

describe('a rule that asks for a reason', () => {
  beforeEach(() => void world.add({ asking: { reasonRequired: true } }))

  test('the terminal asks for it where the command line gave none', async () => {
    const ran = await holdpoint(['approvals', 'deny', TICKET], as('hpp_kim', 'wrong account'))
    expect(ran.code).toBe(0)
    expect(ran.out).toContain('“wrong account”')
  })

  test('where nobody can be asked it is refused, with what to do', async () => {
    const ran = await holdpoint(['approvals', 'deny', TICKET], kim())
    expect([ran.code, statusOf()]).toEqual([1, 'pending'])
    expect(ran.err).toContain('The rule asks for a reason')
    const given = await holdpoint(['approvals', 'deny', TICKET, '--reason', 'wrong account'], kim())
    expect([given.code, statusOf()]).toEqual([0, 'settled'])
  })
})

describe('several yeses', () => {
  beforeEach(() => void world.add({ asking: { stages: [{ groups: ['ops'], people: ['lee'], quorum: 2 }] } }))

  test('are told with every act, and can be taken back', async () => {
    const first = await holdpoint(['approvals', 'approve', TICKET, '--yes'], kim())
    expect(first.out).toContain('0 of 2 approved; waiting for two of ops or lee.')
    expect(first.out.split('\n').at(-1)).toBe(
      `${TICKET}  1 of 2 approved (kim); waiting for one more of ops or lee.`,
    )
    expect((await holdpoint(['approvals', 'list'], kim())).out).toContain('pending, 1 of 2')
    const again = await holdpoint(['approvals', 'approve', TICKET, '--yes'], kim())
    expect([again.code, again.err]).toMatchObject([1, expect.stringContaining('You have said yes already')])
    const back = await holdpoint(['approvals', 'take-back', TICKET, '--reason', 'looked again'], kim())
    expect(back.out).toBe(`${TICKET}  0 of 2 approved; waiting for two of ops or lee.`)
    await holdpoint(['approvals', 'approve', TICKET, '--yes'], kim())
    const last = await holdpoint(['approvals', 'approve', TICKET, '--yes'], as('hpp_lee'))
    expect(last.out).toContain('Approved by kim and lee.')
    const shown = await holdpoint(['approvals', 'show', TICKET], kim())
    expect(shown.out).toContain('kim said yes, 1 of 2, in the command line')
    expect(shown.out).toContain('kim took their yes back, in the command line: “looked again”')
    expect(shown.out).toContain('lee approved, in the command line')
  })
})
