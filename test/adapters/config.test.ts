import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { type Config, formatProblems, loadConfig, loadConfigWithoutUpstreams } from '../../src/config.ts'
import { defaultLimits } from '../../src/domain/limits.ts'
import { defaultTimings } from '../../src/domain/timings.ts'
import { limitNames, timingNames } from '../../src/files/settings.ts'

const parent = mkdtempSync(join(tmpdir(), 'holdpoint-config-'))
let cwd = parent
let count = 0
beforeEach(() => {
  cwd = join(parent, String(count++))
  mkdirSync(join(cwd, 'policies'), { recursive: true })
})
afterAll(() => rmSync(parent, { recursive: true }))

type Env = Record<string, string>
const write = (name: string, text: string) => writeFileSync(join(cwd, name), text)

function load(yaml: string | null, env: Env = {}): Config {
  if (yaml !== null) write('holdpoint.yaml', yaml)
  const config = loadConfig({ env, cwd })
  if (!config.ok) throw new Error(formatProblems(config.error))
  return config.value
}

function problems(yaml: string | null, env: Env = {}) {
  if (yaml !== null) write('holdpoint.yaml', yaml)
  const config = loadConfig({ env, cwd })
  return config.ok ? [] : config.error
}

const people = 'people: { mina: { name: Kim Mina }, jun: }\n'
/** `%{NAME}` stands for a reference, which linters take for a forgotten template. */
const server = (lines: string) =>
  `${people}servers:\n  github:\n${lines.replaceAll(/^/gm, '    ').replaceAll('%{', '\u0024{')}\n`

describe('without a file', () => {
  test('the sample runs for a named local principal, whose owner may confirm', () => {
    const config = load(null)
    expect(config).toMatchObject({
      file: null,
      host: '127.0.0.1',
      port: 8484,
      publicUrl: null,
      databaseUrl: null,
      redisUrl: null,
      dataDir: join(cwd, '.holdpoint'),
      logLevel: 'info',
      localPrincipal: { name: 'local-agent', owner: 'local' },
      timings: defaultTimings,
      limits: defaultLimits,
    })
    expect([...config.people.values()]).toEqual([{ id: 'local', name: userInfo().username, groups: [] }])
    expect([...config.servers.keys()]).toEqual(['nworks'])
    const nworks = config.servers.get('nworks')
    expect(nworks?.rules.approvers).toEqual({ groups: [], people: ['local'], selfConfirm: true })
    expect(nworks?.rules.policy.source).toBe('policies/nworks.json')
    expect(nworks?.upstream).toEqual({
      kind: 'stdio',
      command: process.execPath,
      args: [expect.stringMatching(/^\/.*\/dist\/src\/sample\/main\.js$/)],
      env: { NWORKS_SAMPLE_HOME: join(cwd, '.holdpoint', 'sample-nworks') },
      cwd: null,
      accounts: 'shared',
    })
  })

  test.each(['localhost', '::1', '127.0.0.1', '127.3.2.1'])('%s is loopback', (HOST) => {
    expect(load(null, { HOST }).localPrincipal).not.toBeNull()
  })

  test.each(['0.0.0.0', '::', '10.0.0.1', 'example.com', '127.0.0.1.example.com'])(
    'others can reach %s, so people are needed',
    (HOST) => {
      expect(problems(null, { HOST })).toMatchObject([{ file: 'environment', path: 'HOST' }])
      expect(problems('limits: {}', { HOST })).toMatchObject([{ file: 'holdpoint.yaml', path: '/people' }])
      expect(load(people, { HOST }).localPrincipal).toBeNull()
    },
  )

  test.each(['https://holdpoint.example.com', 'http://10.0.0.1:8484', 'http://[2001:db8::1]/'])(
    'others reach it through a proxy as %s, so people are needed',
    (HOLDPOINT_PUBLIC_URL) => {
      const env = { HOLDPOINT_PUBLIC_URL }
      expect(problems(null, env)).toMatchObject([{ file: 'environment', path: 'HOLDPOINT_PUBLIC_URL' }])
      expect(problems('limits: {}', env)).toMatchObject([{ file: 'holdpoint.yaml', path: '/people' }])
      expect(load(people, env).localPrincipal).toBeNull()
    },
  )

  test.each(['http://localhost:9000', 'http://127.0.0.1', 'https://[::1]:9000'])(
    'a public address of this machine, as %s, opens it to nobody',
    (HOLDPOINT_PUBLIC_URL) => {
      expect(load(null, { HOLDPOINT_PUBLIC_URL }).localPrincipal).not.toBeNull()
    },
  )
})

describe('the environment', () => {
  test('is read', () => {
    const env = {
      HOST: 'localhost',
      PORT: '0',
      LOG_LEVEL: 'DEBUG',
      DATABASE_URL: 'postgres://u:p@db/holdpoint',
      REDIS_URL: 'rediss://cache:6379',
      HOLDPOINT_PUBLIC_URL: 'https://holdpoint.example.com/base',
      HOLDPOINT_DATA: 'data',
    }
    expect(load(people, env)).toMatchObject({
      host: 'localhost',
      port: 0,
      logLevel: 'debug',
      databaseUrl: env.DATABASE_URL,
      redisUrl: env.REDIS_URL,
      publicUrl: new URL(env.HOLDPOINT_PUBLIC_URL),
      dataDir: join(cwd, 'data'),
    })
  })

  test('empty counts as not set', () => {
    expect(load(null, { HOST: '', PORT: '', DATABASE_URL: '', HOLDPOINT_CONFIG: '' })).toEqual(load(null))
  })

  test.each([
    ['PORT', '84a4'],
    ['PORT', '65536'],
    ['PORT', '-1'],
    ['LOG_LEVEL', 'loud'],
    ['DATABASE_URL', 'mysql://u:hunter2@db'],
    ['REDIS_URL', 'localhost:6379'],
    ['HOLDPOINT_PUBLIC_URL', 'ftp://x'],
    ['HOLDPOINT_PUBLIC_URL', 'https://me:hunter2@x'],
  ])('%s=%s is refused without repeating a password', (name, value) => {
    const found = problems(null, { [name]: value })
    expect(found).toMatchObject([{ file: 'environment', path: name, line: null }])
    expect(formatProblems(found)).not.toContain('hunter2')
  })

  test('HOLDPOINT_CONFIG names another file, whose directory then counts', () => {
    mkdirSync(join(cwd, 'etc'))
    write('etc/hp.yaml', 'servers: { a: { command: x, policy: p.yaml } }')
    write('etc/p.yaml', 'default: deny')
    const config = load(null, { HOLDPOINT_CONFIG: 'etc/hp.yaml' })
    expect(config.file).toBe(join(cwd, 'etc/hp.yaml'))
    expect(config.dataDir).toBe(join(cwd, 'etc/.holdpoint'))
    expect(config.servers.get('a')?.rules.policy.source).toBe('p.yaml')
  })

  test('a file that is named and not there stops the start', () => {
    expect(problems(null, { HOLDPOINT_CONFIG: 'nope.yaml' })).toMatchObject([
      { file: 'nope.yaml', message: 'there is no such file' },
    ])
  })

  test.each(['holdpoint.yml', 'holdpoint.json'])('%s is not silently left aside', (name) => {
    write(name, '{}')
    expect(problems(null)).toMatchObject([{ file: name, remedy: expect.stringContaining('holdpoint.yaml') }])
  })
})

describe('a file', () => {
  test('with everything in it', () => {
    mkdirSync(join(cwd, 'work'))
    write('policies/nworks.json', '{"version":"1","default":"deny","hide":["nworks_logout"]}')
    const config = load(
      `
people:
  mina: { name: Kim Mina }
  jun: {}
  ari:
groups:
  ops: [mina, jun]
  dev: [jun]
agents:
  night-agent: { owner: jun }
servers:
  nworks:
    command: npx
    args: [-y, nworks, mcp]
    env: { NWORKS_CLIENT_SECRET: "\${NWORKS_CLIENT_SECRET}", MODE: plain, COST: "$\${PRICE}" }
    cwd: work
    policy: policies/nworks.json
    approvers: [ops, ari]
    self_confirm: true
  github:
    url: https://\${GITHUB_HOST}/mcp
    headers: { Authorization: "Bearer \${GITHUB_TOKEN}" }
    methods: [vendor/thing]
    pass_headers: [X-MCP-Toolsets]
timings: { decision: 2h, start_by: 30m, hold: 1.5s }
limits: { body: 8MiB, pending_per_principal: 3, reply: 65536 }
`,
      { NWORKS_CLIENT_SECRET: 's3cret', GITHUB_TOKEN: 'tok', GITHUB_HOST: 'example.com' },
    )
    expect(config.file).toBe(join(cwd, 'holdpoint.yaml'))
    expect(config.localPrincipal).toBeNull()
    expect([...config.people.values()]).toEqual([
      { id: 'mina', name: 'Kim Mina', groups: ['ops'] },
      { id: 'jun', name: 'jun', groups: ['ops', 'dev'] },
      { id: 'ari', name: 'ari', groups: [] },
    ])
    expect([...config.agents.values()]).toEqual([{ name: 'night-agent', owner: 'jun' }])
    expect(config.servers.get('nworks')).toEqual({
      name: 'nworks',
      rules: {
        policy: expect.objectContaining({
          source: 'policies/nworks.json',
          hidden: new Set(['nworks_logout']),
        }),
        approvers: { groups: ['ops'], people: ['ari'], selfConfirm: true },
      },
      policyFile: expect.objectContaining({ path: join(cwd, 'policies/nworks.json') }),
      notes: [],
      extraMethods: [],
      passHeaders: [],
      scopes: [],
      recordsArguments: false,
      isTrusted: false,
      upstream: {
        kind: 'stdio',
        command: 'npx',
        args: ['-y', 'nworks', 'mcp'],
        // biome-ignore lint/suspicious/noTemplateCurlyInString: the escaped reference is what is expected
        env: { NWORKS_CLIENT_SECRET: 's3cret', MODE: 'plain', COST: '${PRICE}' },
        cwd: join(cwd, 'work'),
        accounts: 'per_owner',
      },
    })
    expect(config.servers.get('github')).toEqual({
      name: 'github',
      rules: {
        policy: expect.objectContaining({ source: 'built-in' }),
        approvers: { groups: [], people: ['mina', 'jun', 'ari'], selfConfirm: false },
      },
      policyFile: null,
      notes: [],
      extraMethods: ['vendor/thing'],
      passHeaders: ['x-mcp-toolsets'],
      scopes: [],
      recordsArguments: false,
      isTrusted: false,
      upstream: {
        kind: 'http',
        url: new URL('https://example.com/mcp'),
        transport: 'auto',
        headers: { Authorization: 'Bearer tok' },
        oauth: null,
        requireAuth: false,
      },
    })
    expect(config.timings).toEqual({
      ...defaultTimings,
      decisionMs: 7_200_000,
      startByMs: 1_800_000,
      holdMs: 1_500,
    })
    expect(config.limits).toEqual({
      ...defaultLimits,
      bodyBytesMax: 8 * 1024 * 1024,
      pendingPerPrincipalMax: 3,
      replyBytesMax: 65_536,
    })
  })

  test('with servers and nobody keeps the local person and what it may confirm', () => {
    const config = load('people:\nservers: { a: { command: x } }')
    expect(config.localPrincipal).toEqual({ name: 'local-agent', owner: 'local' })
    expect(config.servers.get('a')?.rules.approvers).toEqual({
      groups: [],
      people: ['local'],
      selfConfirm: true,
    })
  })

  test('with people and no servers puts them in front of the sample, without self-confirmation', () => {
    expect(load(people).servers.get('nworks')?.rules.approvers).toEqual({
      groups: [],
      people: ['mina', 'jun'],
      selfConfirm: false,
    })
  })

  test('a person who happens to be called local confirms nothing by default', () => {
    const config = load('people: { local: , mina: }\nservers: { a: { command: x } }')
    expect(config.localPrincipal).toBeNull()
    expect(config.servers.get('a')?.rules.approvers.selfConfirm).toBe(false)
  })

  test('every timing and every limit can be set', () => {
    const timings = Object.entries(timingNames).map(
      ([, name]) => `${name}: ${name === 'node_lease' ? 2 : 1}s`,
    )
    const limits = Object.entries(limitNames).map(([, name]) => `${name}: 2048`)
    const config = load(`timings: { ${timings.join(', ')} }\nlimits: { ${limits.join(', ')} }`)
    expect(new Set(Object.values(config.timings))).toEqual(new Set([1_000, 2_000]))
    expect(new Set(Object.values(config.limits))).toEqual(new Set([2_048]))
    expect(Object.keys(timingNames)).toEqual(Object.keys(defaultTimings))
    expect(Object.keys(limitNames)).toEqual(Object.keys(defaultLimits))
  })
})

describe('what is refused', () => {
  test.each([
    ['unknown section', 'severs: {}', '/severs', 'did you mean "servers"?'],
    ['unknown key', server('comand: x'), '/servers/github/comand', 'did you mean "command"?'],
    [
      'a command line for a program',
      server('command: npx -y foo'),
      '/servers/github/command',
      'put arguments under `args`: command: npx, args: […]',
    ],
    ['no way in', server('self_confirm: true'), '/servers/github', 'write `command`'],
    ['two ways in', server('command: x\nurl: https://x'), '/servers/github/url', 'keep one'],
    ['headers for a program', server('command: x\nheaders: {}'), '/servers/github/headers', 'remove it'],
    ['env for an address', server('url: https://x\nenv: {}'), '/servers/github/env', 'remove it'],
    ['another scheme', server('url: file:///etc/passwd'), '/servers/github/url', 'https://host/path'],
    ['no address', server('url: example'), '/servers/github/url', 'https://host/path'],
    ['credentials', server('url: https://u:p@x/'), '/servers/github/url', 'headers'],
    ['unset variable', server('command: x\nenv: { A: "%{NOPE}" }'), '/servers/github/env/A', 'NOPE=…'],
    [
      'empty variable',
      server('url: https://x\nheaders: { A: "%{EMPTY}" }'),
      '/servers/github/headers/A',
      'EMPTY=…',
    ],
    [
      'malformed reference',
      server('command: x\nenv: { A: "%{no pe}" }'),
      '/servers/github/env/A',
      'write it as',
    ],
    ['open reference', server('command: x\nenv: { A: "%{SET" }'), '/servers/github/env/A', 'write it as'],
    ['variable in args', server('command: x\nargs: ["%{SET}"]'), '/servers/github/args/0', 'env'],
    ['variable in command', server('command: "%{SET}"'), '/servers/github/command', 'env'],
    ['number in env', server('command: x\nenv: { A: 1 }'), '/servers/github/env/A', 'quotes'],
    ['env name', server('command: x\nenv: { "A B": x }'), '/servers/github/env/A B', 'letters'],
    [
      'header name',
      server('url: https://x\nheaders: { "A B": x }'),
      '/servers/github/headers/A B',
      'correct',
    ],
    [
      'header value',
      server('url: https://x\nheaders: { A: "x\\r\\nB: y" }'),
      '/servers/github/headers/A',
      'correct',
    ],
    [
      'own header',
      server('url: https://x\nheaders: { Mcp-Session-Id: x }'),
      '/servers/github/headers/Mcp-Session-Id',
      '',
    ],
    ['no directory', server('command: x\ncwd: nope'), '/servers/github/cwd', 'create it'],
    ['no policy file', server('command: x\npolicy: nope.json'), '/servers/github/policy', 'create it'],
    ['a directory for a policy', server('command: x\npolicy: policies'), '/servers/github/policy', 'name a'],
    ['a path with a NUL', server('command: x\npolicy: "a\\0b"'), '/servers/github/policy', ''],
    [
      'a directory below a file',
      server('command: x\ncwd: holdpoint.yaml/x'),
      '/servers/github/cwd',
      'create it',
    ],
    ['tools/call', server('command: x\nmethods: [tools/call]'), '/servers/github/methods/0', 'remove it'],
    ['method pattern', server('command: x\nmethods: ["vendor/*"]'), '/servers/github/methods/0', 'patterns'],
    ['server name', `${people}servers: { GitHub: { command: x } }`, '/servers/GitHub', '/mcp/<name>'],
    ['no servers', 'servers: {}', '/servers', 'remove'],
    [
      'unknown approver',
      server('command: x\napprovers: [minna]'),
      '/servers/github/approvers/0',
      'did you mean "mina"?',
    ],
    ['nobody', server('command: x\napprovers: []'), '/servers/github/approvers', 'name a person'],
    ['unknown owner', `${people}agents: { a: { owner: kim } }`, '/agents/a/owner', 'add "kim"'],
    [
      'no time to hold',
      `${people}agents: { a: { owner: mina, hold: soon } }`,
      '/agents/a/hold',
      'write a number and a unit, as 50s, 10m, 4h or 1d',
    ],
    ['no owner', `${people}agents: { a: {} }`, '/agents/a', 'add it: owner: mina or jun'],
    ['nothing about an agent', `${people}agents: { a: }`, '/agents/a', 'add it: owner: mina or jun'],
    ['an empty file', '# nothing', '', 'name your `servers`'],
    ['unknown member', `${people}groups: { ops: [kim] }`, '/groups/ops/0', 'add "kim"'],
    ['group in a group', `${people}groups: { ops: [mina], all: [ops] }`, '/groups/all/0', 'a group cannot'],
    ['one name twice', `${people}groups: { mina: [jun] }`, '/groups/mina', 'another name'],
    ['person id', 'people: { "a b": }', '/people/a b', 'another name'],
    ['no unit', 'timings: { decision: "5" }', '/timings/decision', 'unit'],
    ['number', 'timings: { decision: 5 }', '/timings/decision', 'quotes'],
    ['too long for a timer', 'timings: { hold: 25d }', '/timings/hold', '20d'],
    ['nothing', 'timings: { loop: 0s }', '/timings/loop', '10ms'],
    ['unknown timing', 'timings: { decison: 5m }', '/timings/decison', 'did you mean "decision"?'],
    ['lease too short', 'timings: { node_lease: 1s }', '/timings/node_lease', 'at least 2s'],
    ['size', 'limits: { body: 4MB }', '/limits/body', '4MiB'],
    ['size of nothing', 'limits: { body: 0 }', '/limits/body', '1KiB'],
    ['count', 'limits: { children: 1.5 }', '/limits/children', 'whole number'],
    ['count as a size', 'limits: { children: 4KiB }', '/limits/children', 'write a number'],
  ])('%s', (_, yaml, path, remedy) => {
    expect(problems(yaml, { SET: 'set', EMPTY: '' })).toEqual([
      {
        file: 'holdpoint.yaml',
        line: expect.any(Number),
        column: expect.any(Number),
        path,
        message: expect.any(String),
        remedy: expect.stringContaining(remedy),
      },
    ])
  })

  test('a program whose name has a blank is one, where it is there', () => {
    write('my tool', '')
    expect(problems(server('command: ./my tool'))).toEqual([])
    expect(problems(server(`command: ${join(cwd, 'my tool')}`))).toEqual([])
    expect(problems(server('command: my tool'), { PATH: `/nowhere:${cwd}` })).toEqual([])
    expect(problems(server('command: my other'), { PATH: cwd })).toHaveLength(1)
  })

  test('a policy that is not text is refused', () => {
    writeFileSync(join(cwd, 'policies/a.yaml'), Buffer.from([0x61, 0xff, 0xfe]))
    const found = problems(server('command: x\npolicy: policies/a.yaml'))
    expect(found).toMatchObject([{ message: 'policies/a.yaml: the file is not UTF-8 text' }])
  })

  test('a policy is reported at its own file and line', () => {
    write('policies/a.yaml', 'default: deny\nalow: [x]')
    expect(problems(server('command: x\npolicy: policies/a.yaml'))).toMatchObject([
      { file: 'policies/a.yaml', line: 2, column: 1, remedy: 'did you mean "allow"?' },
    ])
  })

  test('all problems come in one report, in reading order', () => {
    write('policies/a.yaml', 'defualt: deny')
    const yaml = [
      'people: { mina: , jun: { nam: x } }',
      'groups: { ops: [kim] }',
      'agents: { a: { owner: kim } }',
      'servers:',
      '  a: { command: x, policy: policies/a.yaml, approvers: [opss] }',
      '  b: { url: "nope" }',
      '  c: { comand: x }',
      'timings: { hold: 5 }',
      'limits: { body: x }',
      'chanels: {}',
    ].join('\n')
    const report = formatProblems(problems(yaml, { PORT: 'x' }))
    expect(
      report
        .split('\n')
        .filter((line) => !line.startsWith(' '))
        .map((line) => line.split('  ')[0]),
    ).toEqual([
      'PORT',
      'holdpoint.yaml:1:26',
      'holdpoint.yaml:2:17',
      'holdpoint.yaml:3:23',
      'holdpoint.yaml:5:57',
      'holdpoint.yaml:6:13',
      'holdpoint.yaml:7:8',
      'holdpoint.yaml:8:18',
      'holdpoint.yaml:9:17',
      'holdpoint.yaml:10:1',
      'policies/a.yaml:1:1',
    ])
    expect(report).toContain('policies/a.yaml:1:1  unknown key "defualt"\n    → did you mean "default"?')
  })

  test('a secret from the environment is never part of a report', () => {
    const found = problems(server('url: "%{SECRET}"\nheaders: { A: "%{SECRET}" }'), { SECRET: 'hunter2\n' })
    expect(found).toHaveLength(2)
    expect(JSON.stringify(found)).not.toContain('hunter2')
  })
})

describe('credentials at servers', () => {
  const crm = (lines: string, env: Env = {}) =>
    load(server(`url: https://crm.example.com/mcp\n${lines}`), env)

  test('are read, the secret from the environment', () => {
    const yaml = `require_auth: true
oauth:
  grant: client_credentials
  issuer: https://login.example.com
  client_id: gateway
  client_secret: "%{CRM_SECRET}"
  scopes: [crm]`
    expect(crm(yaml, { CRM_SECRET: 's3cret' }).servers.get('github')?.upstream).toMatchObject({
      requireAuth: true,
      oauth: {
        grant: 'client_credentials',
        issuer: new URL('https://login.example.com'),
        clientId: 'gateway',
        clientSecret: 's3cret',
        scopes: ['crm'],
      },
    })
    expect(crm('oauth: { grant: authorization_code }').servers.get('github')?.upstream).toMatchObject({
      requireAuth: false,
      oauth: { grant: 'authorization_code', issuer: null, clientId: null, clientSecret: null, scopes: [] },
    })
  })

  test.each([
    ['oauth: { grant: password }', /cannot be "password"/],
    ['oauth: { grant: client_credentials, issuer: https://a.example }', /needs a `client_id`/],
    [
      'oauth: { grant: authorization_code, client_id: a, client_secret: plain }',
      /a secret stands in the file itself/,
    ],
    ['oauth: { grant: authorization_code, client_id: a, client_secret: "%{S}" }', /it is not said which/],
    ['oauth: { grant: authorization_code, client_id: "%{MISSING}" }', /MISSING is not set/],
    ['oauth: { grant: authorization_code, issuer: http://a.example }', /not an address that secrets/],
    ['oauth: { grant: authorization_code }\nheaders: { AUTHORIZATION: x }', /two ways to sign in/],
    ['accounts: per_owner', /`accounts` belongs to a server with a `command`/],
    ['transport: stdio', /"transport" cannot be "stdio"/],
  ])('%s is refused', (lines, message) => {
    const found = problems(server(`url: https://crm.example.com/mcp\n${lines}`), { S: 's3cret' })
    expect(found.map((problem) => problem.message).join('\n')).toMatch(message)
    expect(JSON.stringify(found)).not.toContain('s3cret')
    for (const { line } of found) expect(line).not.toBeNull()
  })

  test('a server at a URL says how it is spoken to, and a program does not', () => {
    const of = (lines: string) => load(lines).servers.get('github')?.upstream
    const url = 'url: https://crm.example.com/sse'
    expect(of(server(url))).toMatchObject({ transport: 'auto' })
    expect(of(server(`${url}\ntransport: sse`))).toMatchObject({ transport: 'sse' })
    const [found] = problems(server('command: x\ntransport: sse'))
    expect(found).toMatchObject({
      message: '`transport` belongs to a server with a `url`',
      remedy: 'remove it',
    })
  })

  test.each(['c2hvcnQ=', 'not base64', 'x'.repeat(44)])('%s is no key for accounts', (key) => {
    expect(problems(null, { HOLDPOINT_ACCOUNTS_KEY: key })).toMatchObject([
      { path: 'HOLDPOINT_ACCOUNTS_KEY' },
    ])
  })

  test('programs of several people have a home each, unless it is said that they may share one', () => {
    const of = (lines: string) => load(lines).servers.get('github')?.upstream
    expect(of(server('command: x'))).toMatchObject({ accounts: 'per_owner' })
    expect(of(server('command: x\naccounts: shared'))).toMatchObject({ accounts: 'shared' })
    expect(of('servers: { github: { command: x } }')).toMatchObject({ accounts: 'shared' })
  })
})

describe('issuers of tokens', () => {
  const env = { HOLDPOINT_PUBLIC_URL: 'https://holdpoint.example.com' }
  const named = 'people: { mina: { logins: [mina@example.com] }, jun: }\n'

  test('are read, with what they stand for where nothing is written', () => {
    const { oauth, servers } = load(
      `${named}private_networks: [10.0.0.0/8, "fd00::/8"]
oauth:
  issuers:
    - issuer: https://login.example.com
    - issuer: https://other.example.com/realms/main
      audience: api://holdpoint
      jwks_uri: https://keys.example.com/jwks
      algorithms: [PS512]
      principal_claim: client_name
      owner_claim: email
      email_trusted: true
      scopes: [mcp:call]
servers: { github: { url: https://github.example.com/mcp, scopes: [github:use] } }
`,
      env,
    )
    expect(oauth.issuers).toEqual([
      {
        issuer: 'https://login.example.com',
        audience: [],
        jwksUri: null,
        algorithms: ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'],
        principalClaim: null,
        ownerClaim: 'sub',
        isEmailTrusted: false,
        scopes: [],
      },
      {
        issuer: 'https://other.example.com/realms/main',
        audience: ['api://holdpoint'],
        jwksUri: new URL('https://keys.example.com/jwks'),
        algorithms: ['PS512'],
        principalClaim: 'client_name',
        ownerClaim: 'email',
        isEmailTrusted: true,
        scopes: ['mcp:call'],
      },
    ])
    expect([...oauth.logins]).toEqual([['mina@example.com', 'mina']])
    expect(oauth.privateNetworks).toEqual(['10.0.0.0/8', 'fd00::/8'])
    expect(servers.get('github')?.scopes).toEqual(['github:use'])
  })

  test('are refused with every problem at its place', () => {
    const found = problems(
      `people: { mina: { logins: [jun, kim] }, jun: { logins: [kim] } }
private_networks: [10.0.0.0, 10.0.0.0/33, corp.example.com]
oauth:
  issuers:
    - issuer: http://login.example.com
      algorithms: [none, HS256]
    - issuer: https://user:secret@login.example.com
    - issuer: https://login.example.com
      jwks_uri: http://keys.example.com
      scopes: ["a b"]
    - issuer: https://twice.example.com
    - issuer: https://twice.example.com
    - {}
`,
      env,
    ).map(({ line, path, message }) => `${line} ${path} ${message}`)
    expect(found).toEqual([
      expect.stringMatching(/^1 \/people\/mina\/logins\/0 "jun" is jun already/),
      expect.stringMatching(/^1 \/people\/jun\/logins\/0 "kim" is mina already/),
      expect.stringMatching(/^5 \/oauth\/issuers\/0\/issuer this is not an address that tokens/),
      expect.stringMatching(/^6 \/oauth\/issuers\/0\/algorithms\/0 /),
      expect.stringMatching(/^6 \/oauth\/issuers\/0\/algorithms\/1 /),
      expect.stringMatching(/^7 \/oauth\/issuers\/1\/issuer this is not an address that tokens/),
      expect.stringMatching(/^9 \/oauth\/issuers\/2\/jwks_uri this is not an address/),
      expect.stringMatching(/^10 \/oauth\/issuers\/2\/scopes\/0 this is not a scope/),
      expect.stringMatching(/^12 \/oauth\/issuers\/4\/issuer this issuer is named twice/),
      expect.stringMatching(/^13 \/oauth\/issuers\/5\/issuer "issuer" is missing/),
      expect.stringMatching(/^2 \/private_networks\/0 this is not a network/),
      expect.stringMatching(/^2 \/private_networks\/1 this is not a network/),
      expect.stringMatching(/^2 \/private_networks\/2 this is not a network/),
    ])
    expect(JSON.stringify(found)).not.toContain('secret')
  })

  test('need the address of this gateway', () => {
    const yaml = `${named}oauth: { issuers: [{ issuer: https://login.example.com }] }\n`
    expect(problems(yaml)).toMatchObject([{ path: 'HOLDPOINT_PUBLIC_URL' }])
    expect(problems(yaml, env)).toEqual([])
  })
})

describe('calls that nobody could decide', () => {
  const agents = 'agents: { night: { owner: mina }, day: { owner: jun } }\n'
  const nobody = expect.stringContaining('nobody may decide')

  test("an agent's owner as the only approver is a problem, unless it may confirm or nothing asks", () => {
    const only = `${agents}${server('command: x\napprovers: [mina]')}`
    expect(problems(only)).toMatchObject([{ path: '/servers/github/approvers', line: 6, message: nobody }])
    expect(formatProblems(problems(only))).toContain('the calls of night to "github"')
    expect(problems(`${only}    self_confirm: true\n`)).toEqual([])
    write('policies/open.yaml', 'default: deny\nallow: [read]')
    expect(problems(`${only}    policy: policies/open.yaml\n`)).toEqual([])
  })

  test('a group in which somebody else stands is enough, an empty one is not', () => {
    const withGroup = (members: string) =>
      `${agents}groups: { ops: [${members}] }\n${server('command: x\napprovers: [ops]')}`
    expect(problems(withGroup('mina, jun'))).toEqual([])
    expect(problems(withGroup('jun'))).toMatchObject([{ message: nobody }])
    expect(problems(withGroup(''))).toMatchObject([{ message: nobody }])
  })

  test('a rule that names its own approvers is looked at by itself', () => {
    const asks = (approval: string) =>
      `default: deny\ntools: { pay: { action: require_approval, approval: ${approval} } }\n`
    const file = `${people}groups: { ops: [], dev: [mina] }\nservers: { s: { url: "https://x.example", policy: p.yaml, approvers: [mina] } }\n`
    write('p.yaml', asks('{ groups: [dev] }'))
    expect(problems(file)).toEqual([])
    write('p.yaml', asks('{ groups: [ops] }'))
    expect(problems(file)).toMatchObject([{ message: nobody }])
    write('p.yaml', asks('{ groups: [ops], self_confirm: true }'))
    expect(problems(file)).toEqual([])
    write('p.yaml', asks('{ people: [minna] }'))
    expect(problems(file)).toMatchObject([
      { file: 'p.yaml', line: 2, path: '/tools/pay/approval/people/0', remedy: 'did you mean "mina"?' },
    ])
  })

  test('more yeses than there are people besides the owner are a problem', () => {
    const asks = (approval: string) =>
      `default: deny\ntools: { pay: { action: require_approval, approval: ${approval} } }\n`
    const file = (more = '') =>
      `people: { mina: , jun: , lee: , sora:  }\ngroups: { ops: [mina, jun, lee], sec: [lee, sora] }\n${more}servers: { s: { url: "https://x.example", policy: p.yaml, approvers: [ops] } }\n`
    const short = (of: string) => expect.stringContaining(`can never be approved: ${of} must say yes`)
    const agent = 'agents: { night: { owner: jun } }\n'
    write('p.yaml', asks('{ groups: [ops], quorum: 3 }'))
    expect(problems(file())).toEqual([])
    expect(problems(file(agent))).toMatchObject([
      { message: short('3 of ops'), remedy: expect.stringContaining('fewer yeses') },
    ])
    write('p.yaml', asks('{ quorum: 2 }'))
    expect(problems(file(agent))).toEqual([])
    // Lee counts in one of the stages only.
    write('p.yaml', asks('{ stages: [{ groups: [ops], quorum: 3 }, { groups: [sec], quorum: 2 }] }'))
    expect(problems(file())).toMatchObject([{ message: short('3 of ops, then 2 of sec') }])
    write('p.yaml', asks('{ stages: [{ groups: [ops], quorum: 2 }, { groups: [sec], quorum: 2 }] }'))
    expect(problems(file())).toEqual([])
    write('p.yaml', asks('{ groups: [sec], quorum: 3, escalation: [{ after: 1m, people: [mina] }] }'))
    expect(problems(file())).toEqual([])
  })

  test('the local person without self-confirmation could decide nothing', () => {
    expect(problems('servers: { a: { command: x, self_confirm: false } }')).toMatchObject([
      { message: nobody },
    ])
  })

  test('one person with one agent in front of the sample is told so', () => {
    expect(problems('people: { mina: }\nagents: { a: { owner: mina } }')).toMatchObject([{ message: nobody }])
  })
})

describe('processes', () => {
  test('one process does everything unless it is told otherwise', () => {
    expect([...load(null).roles]).toEqual(['gateway', 'approvals', 'deliveries'])
    expect([...load(null, { HOLDPOINT_ROLES: 'deliveries, gateway' }).roles]).toEqual([
      'gateway',
      'deliveries',
    ])
  })

  test('a role that is none, and a process that would be no gateway, are refused', () => {
    expect(problems(null, { HOLDPOINT_ROLES: 'gateway,slack' })).toMatchObject([
      { path: 'HOLDPOINT_ROLES', message: '"slack" is not a role' },
    ])
    expect(problems(null, { HOLDPOINT_ROLES: 'approvals' })).toMatchObject([
      { path: 'HOLDPOINT_ROLES', remedy: 'run node dist/workers/approvals.js instead' },
    ])
  })

  test('a worker answers probes only where PORT says so', () => {
    expect(load(null).probePort).toBeNull()
    expect(load(null, { PORT: '9000' }).probePort).toBe(9000)
  })

  test('what sends nothing upstream needs no credentials for it, and reads everything else', () => {
    const yaml = server('url: https://x.example/mcp\nheaders: { Authorization: "Bearer %{NOT_HERE}" }')
    expect(problems(yaml)).toMatchObject([{ message: expect.stringContaining('NOT_HERE') }])
    const worker = loadConfigWithoutUpstreams({ env: {}, cwd })
    expect(worker.ok && [...worker.value.servers.keys()]).toEqual([])
    expect(worker.ok && worker.value.serverNames).toEqual(['github'])
    expect(load(null, { NOT_HERE: 'x' }).serverNames).toEqual(['github'])
    expect(worker.ok && [...worker.value.people.keys()]).toEqual(['mina', 'jun'])
  })
})

test('headers that carry credentials, connections or the protocol are never let through, whatever the case', () => {
  const names = ['Authorization', 'COOKIE', 'proxy-x', 'X-Forwarded-User', 'Mcp-Session-Id', 'x y', 'X-Own']
  const found = problems(
    `servers: { pay: { url: https://pay.example.com/mcp, pass_headers: ${JSON.stringify(names)} } }\n`,
  )
  const about = found.filter(({ message }) => /never passes|not the name of a header/.test(message))
  expect(about).toHaveLength(names.length - 1)
  expect(found).toEqual(about)
  expect(about.every(({ line, remedy }) => line === 1 && remedy !== '')).toBe(true)
})
