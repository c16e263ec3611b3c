import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { hashToken } from '../../src/auth/tokens.ts'
import { table } from '../../src/commands/table.ts'
import { linkCodeHash } from '../../src/domain/link-code.ts'
import { memoryIdentities } from '../support/memory-identities.ts'
import { holdpoint, memoryCredentials } from './cli-runner.ts'

let cwd: string
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'holdpoint-cli-'))
})
afterEach(() => rmSync(cwd, { recursive: true }))

const yaml = `
people:
  kim: { name: 김민수 }
  lee: {}
groups:
  ops: [kim]
agents:
  bot: { owner: lee }
servers:
  files:
    url: https://files.example/mcp
    approvers: [ops]
`
const configured = () => {
  writeFileSync(join(cwd, 'holdpoint.yaml'), yaml)
  return { cwd, credentials: memoryCredentials() }
}

describe('usage', () => {
  test.each([
    [['--help'], 0],
    [['approvals', 'approve', '--help'], 0],
    [['aprovals'], 2],
    [['approvals', 'show'], 2],
    [['approvals', 'list', '--status', 'open'], 2],
    [['approvals', 'list', '--limit', '0'], 2],
    [['demo', '--decide', 'maybe'], 2],
  ])('%j exits with %i', async (args, code) => {
    const ran = await holdpoint(args)
    expect(ran.code).toBe(code)
    expect(code === 0 ? ran.out : ran.err).not.toBe('')
  })

  test('the demo ends as it says it should have', async () => {
    const seen: unknown[] = []
    const demo = async (options: unknown) => {
      seen.push(options)
      return 1 as const
    }
    expect((await holdpoint(['demo', '--decide', 'deny'], { demo })).code).toBe(1)
    expect((await holdpoint(['demo'], { demo })).code).toBe(1)
    expect(seen).toEqual([{ decide: 'deny' }, { decide: null }])
  })

  test('the version is that of the package', async () => {
    expect(await holdpoint(['--version'])).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^\d+\.\d+\.\d+$/),
    })
  })

  test('start --help names every variable that the configuration reads', async () => {
    const { out } = await holdpoint(['start', '--help'])
    const source = readFileSync(new URL('../../src/config.ts', import.meta.url), 'utf8')
    const read = [...source.matchAll(/(?:variable|address|secret)\(\s*'([A-Z_]+)'/g)].map(
      (match) => match[1] ?? '',
    )
    expect(read.length).toBeGreaterThan(12)
    for (const name of read) expect(out).toContain(name)
  })

  test('start leaves the process to the gateway', async () => {
    expect((await holdpoint(['start'])).code).toBeNull()
  })
})

describe('agents', () => {
  test('a token is made, shown once with the lines that use it, listed by its beginning, and revoked', async () => {
    const stage = configured()
    const added = await holdpoint(['agents', 'add', 'bot'], stage)
    const token = /hpa_[A-Za-z0-9_-]{43}/.exec(added.out)?.[0] ?? ''
    expect(added.code).toBe(0)
    expect(added.out).toContain('The token of the agent bot, for whom lee answers. It is shown only now:')
    expect(added.out).toContain(
      `claude mcp add --transport http files http://127.0.0.1:8484/mcp/files --header "Authorization: Bearer ${token}"`,
    )
    expect((await stage.credentials.live()).get(hashToken(token))).toMatchObject({
      name: 'bot',
      owner: 'lee',
    })

    const listed = await holdpoint(['agents', 'list'], stage)
    expect(listed.out).toContain(`${token.slice(0, 8)}… of 2026-08-01`)
    expect(listed.out).not.toContain(token)
    expect((await holdpoint(['agents', 'revoke', 'bot'], stage)).out).toContain('Revoked 1 of bot.')
    const again = await holdpoint(['agents', 'revoke', 'bot'], stage)
    expect([again.code, again.err]).toEqual([1, expect.stringContaining('No agent bot has a live token.')])
  })

  test.each([
    [['stranger'], 'say which person answers for it'],
    [['stranger', '--owner', 'nobody'], 'nobody is not a person'],
    [['stranger', '--owner', 'kin'], 'Did you mean "kim"?'],
    [['bot', '--owner', 'kim'], 'lee answers for bot, not kim'],
    [['a b'], 'not a name for an agent'],
  ])('agents add %j is refused', async (args, message) => {
    const stage = configured()
    const ran = await holdpoint(['agents', 'add', ...args], stage)
    expect([ran.code, ran.out]).toEqual([2, ''])
    expect(ran.err).toContain(message)
    expect(await stage.credentials.list('agent')).toEqual([])
  })

  test('for programs, at another address', async () => {
    const stage = { ...configured(), env: { HOLDPOINT_URL: 'https://gate.example/' } }
    const ran = await holdpoint(['agents', 'add', 'new', '--owner', 'kim', '--json'], stage)
    expect(JSON.parse(ran.out)).toMatchObject({
      name: 'new',
      owner: 'kim',
      token: expect.stringMatching(/^hpa_/),
      servers: [{ name: 'files', url: 'https://gate.example/mcp/files' }],
    })
  })
})

describe('people', () => {
  test('a personal token is made, listed and revoked', async () => {
    const stage = configured()
    const made = await holdpoint(['people', 'token', 'kim'], stage)
    expect(made.out).toContain('The personal token of 김민수. Whoever has it decides as kim.')
    expect(made.out).toMatch(/export HOLDPOINT_TOKEN=hpp_[A-Za-z0-9_-]{43}/)
    const listed = await holdpoint(['people', 'list'], stage)
    expect(listed.out).toMatch(/kim +김민수 +ops +hpp_.{4}… of 2026-08-01\nlee +lee +none/)
    expect(JSON.parse((await holdpoint(['people', 'list', '--json'], stage)).out)[0]).toEqual({
      id: 'kim',
      name: '김민수',
      groups: ['ops'],
      tokens: [
        { hint: expect.stringMatching(/^hpp_/), createdAt: '2026-08-01T00:00:00.000Z', revokedAt: null },
      ],
    })
    expect((await holdpoint(['people', 'revoke', 'kim'], stage)).code).toBe(0)
    const [gone] = JSON.parse((await holdpoint(['people', 'list', '--json'], stage)).out)
    expect(gone.tokens[0].revokedAt).toBe('2026-08-02T00:00:00.000Z')
    expect((await holdpoint(['people', 'list'], stage)).out).toContain('none (revoked)')
  })

  test('a one-time code comes as a link that carries it behind #, and is kept as a hash', async () => {
    const stage = {
      ...configured(),
      identities: memoryIdentities(),
      env: { HOLDPOINT_URL: 'https://gate.example/' },
    }
    const made = await holdpoint(['people', 'link', 'kim'], stage)
    expect(made.out).toContain('it works once, within 10 min.')
    const code = /https:\/\/gate\.example\/sign-in#(\w{5}-\w{5})/.exec(made.out)?.[1] ?? ''
    expect(made.out).not.toContain('/holdpoint link')
    expect(await stage.identities.useCode(linkCodeHash(code) ?? '')).toBe('kim')
    expect(await stage.identities.useCode(linkCodeHash(code) ?? '')).toBeNull()
    const json = await holdpoint(['people', 'link', 'kim', '--json'], stage)
    expect(JSON.parse(json.out)).toMatchObject({ id: 'kim', validMs: 600_000 })
    expect((await holdpoint(['people', 'link', 'bot'], stage)).code).toBe(2)
  })

  test('where the gateway listens everywhere, the code comes without a link that leads nowhere', async () => {
    const stage = { ...configured(), identities: memoryIdentities(), env: { HOST: '0.0.0.0' } }
    const made = await holdpoint(['people', 'link', 'kim'], stage)
    expect(made.out).toMatch(/\w{5}-\w{5}, on the page \/sign-in of this gateway/)
    expect(made.out).not.toContain('0.0.0.0')
  })

  test('whoever is revoked is signed out as well', async () => {
    const stage = { ...configured(), identities: memoryIdentities() }
    await stage.identities.addSession('hash', 'kim', 60_000)
    const revoked = await holdpoint(['people', 'revoke', 'kim'], stage)
    expect([revoked.code, revoked.out]).toEqual([0, 'Signed kim out of the console (1).'])
    expect(await stage.identities.personOfSession('hash')).toBeNull()
  })

  test('only people of the configuration get one', async () => {
    const ran = await holdpoint(['people', 'token', 'bot'], configured())
    expect([ran.code, ran.err]).toEqual([2, expect.stringContaining('People: kim, lee.')])
    const near = await holdpoint(['people', 'token', 'kin'], configured())
    expect(near.err).toMatch(
      /Nobody is called “kin” in \S+holdpoint\.yaml\.\n.*Did you mean "kim"\? People: kim, lee\./,
    )
  })

  test('whoever does not exist is not said to lack a token; whoever left can still be revoked', async () => {
    const stage = configured()
    const nobody = await holdpoint(['people', 'revoke', 'zoe'], stage)
    expect([nobody.code, nobody.err]).toEqual([1, expect.stringContaining('Nobody is called “zoe”')])
    await stage.credentials.add({ kind: 'person', name: 'zoe', owner: 'zoe', tokenHash: 'h', hint: 'hpp_' })
    expect((await holdpoint(['people', 'revoke', 'zoe'], stage)).code).toBe(0)
    const again = await holdpoint(['people', 'revoke', 'zoe'], stage)
    expect(again.err).toContain('zoe has no live token and no session.')
    const agent = await holdpoint(['agents', 'revoke', 'bott'], stage)
    expect(agent.err).toContain('Did you mean "bot"?')
  })
})

test('tokens are made without the secrets of the upstreams, which validate still asks for', async () => {
  const stage = configured()
  const secret = '    headers: { Authorization: "Bearer %{TOKEN}" }\n'.replace('%', '$')
  writeFileSync(join(cwd, 'holdpoint.yaml'), yaml + secret)
  for (const args of [
    ['people', 'list'],
    ['people', 'token', 'kim'],
    ['agents', 'add', 'bot'],
    ['slack', 'manifest'],
  ]) {
    expect((await holdpoint(args, stage)).code).toBe(0)
  }
  expect((await holdpoint(['agents', 'add', 'bot'], stage)).out).toContain('/mcp/files')
  const checked = await holdpoint(['validate'], stage)
  expect([checked.code, checked.err]).toEqual([2, expect.stringContaining('TOKEN is not set')])
})

describe('validate', () => {
  test('says what the configuration means', async () => {
    const ran = await holdpoint(['validate'], configured())
    expect(ran.code).toBe(0)
    expect(ran.out).toMatch(/SERVER +POLICY +SPELLING +RULES +HIDDEN +OTHER TOOLS +WHO DECIDES/)
    expect(ran.out).toMatch(/files +none: calls are refused +0 +0 +require_approval +group ops/)
    const json = await holdpoint(['validate', '--json'], configured())
    expect(JSON.parse(json.out)).toMatchObject({
      valid: true,
      people: 2,
      agents: 1,
      servers: [{ name: 'files', rules: 0, hidden: 0 }],
    })
  })

  test('lists every problem with its place and remedy, and so does every other command', async () => {
    writeFileSync(join(cwd, 'other.yaml'), yaml.replace('owner: lee', 'owner: leee').replace('url:', 'urll:'))
    const ran = await holdpoint(['validate', 'other.yaml'], { cwd })
    expect([ran.code, ran.out]).toEqual([2, ''])
    expect(ran.err).toMatch(/other\.yaml:8:\d+ {2}/)
    expect(ran.err).toMatch(/other\.yaml:11:\d+ {2}/)
    expect(ran.err).toContain('→ ')
    const list = await holdpoint(['people', 'list'], { cwd, env: { HOLDPOINT_CONFIG: 'other.yaml' } })
    expect([list.code, list.out]).toEqual([2, ''])
  })
})

test('columns stay aligned beside wide letters', () => {
  expect(
    table([
      ['A', 'B'],
      ['김민수', 'x'],
      ['abc', 'y'],
    ]),
  ).toEqual(['A       B', '김민수  x', 'abc     y'])
})
