/** `holdpoint scan`: on real servers, on clients' configurations, and on saved lists; what it starts, and what it writes. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readPolicy } from '../../src/files/policy-file.ts'
import { startEverything } from '../support/everything.ts'
import { holdpoint } from './cli-runner.ts'

const filesystem = createRequire(import.meta.url).resolve(
  '@modelcontextprotocol/server-filesystem/dist/index.js',
)
const sampleList = join(import.meta.dirname, '../../src/sample/tools.json')

/** A folder with these files in it. */
function folder(files: Readonly<Record<string, unknown>>): string {
  const directory = mkdtempSync(join(tmpdir(), 'holdpoint-scan-'))
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true })
    writeFileSync(join(directory, name), typeof content === 'string' ? content : JSON.stringify(content))
  }
  return directory
}

describe('before a program is started', () => {
  const command = `${'very '.repeat(60)}long\u202E`
  const cwd = folder({
    'mcp.json': {
      mcpServers: { evil: { command, args: ['--flag', 'two words'], env: { KEY: 'secret-value' } } },
    },
  })

  test('its whole command is shown, with what would be invisible, without the values of its environment', async () => {
    const { code, err, out } = await holdpoint(['scan', 'mcp.json'], { cwd })
    expect(code).toBe(2)
    expect(err).toContain(`${'very '.repeat(60)}long`)
    expect(err).toContain('\\u{202E}')
    expect(err).toContain('--flag "two words"')
    expect(err).toContain('with KEY set')
    expect(err).not.toContain('secret-value')
    expect(err).toContain('with your rights')
    expect(err).toContain('add --yes')
    expect(out).toBe('')
  })

  test('a person is asked, and anything but yes starts nothing', async () => {
    const marker = join(cwd, 'started')
    writeFileSync(
      join(cwd, 'touch.json'),
      JSON.stringify({ mcpServers: { x: { command: 'touch', args: [marker] } } }),
    )
    const { code, asked, err } = await holdpoint(['scan', 'touch.json'], { cwd, answer: 'yes please' })
    expect(asked).toEqual(['Start? [y/N] '])
    expect(code).toBe(2)
    expect(err).toContain('Nothing was started.')
    expect(existsSync(marker)).toBe(false)
  })
})

describe('the servers of a client', () => {
  test('Claude Code: comments, a program, and a server that cannot be reached beside it', async () => {
    const cwd = folder({
      '.mcp.json': `{ // servers
        "mcpServers": {
          "files": { "command": ${JSON.stringify(process.execPath)}, "args": [${JSON.stringify(filesystem)}, "\${workspaceFolder}"] },
          "gone": { "type": "http", "url": "http://127.0.0.1:9/mcp" },
          "other": { "command": "x", "env": { "KEY": "\${HOLDPOINT_TEST_UNSET}" } },
        },
      }`,
    })
    const { code, out } = await holdpoint(['scan', '.mcp.json', '--json', '--yes'], {
      cwd,
      env: { PATH: process.env.PATH ?? '' },
    })
    expect(code).toBe(1)
    const { servers, missed } = JSON.parse(out)
    expect(servers).toHaveLength(1)
    expect(servers[0].name).toBe('files')
    const tool = (name: string) => servers[0].tools.find((one: { name: string }) => one.name === name)
    expect(tool('write_file')).toMatchObject({ category: 'write', risk: 'high' })
    expect(tool('list_allowed_directories')).toMatchObject({ category: 'read', risk: 'low' })
    expect(tool('read_file').evidence.length).toBeGreaterThan(0)
    expect(missed).toEqual([
      { name: 'gone', reason: expect.stringContaining('127.0.0.1:9') },
      { name: 'other', reason: expect.stringContaining('HOLDPOINT_TEST_UNSET') },
    ])
  })

  test('holdpoint.yaml: `trusted` counts as much as --trust, for the server that has it', async () => {
    const server = (more: object) => ({ command: process.execPath, args: [filesystem, '.'], ...more })
    const cwd = folder({
      'holdpoint.yaml': { servers: { files: server({ trusted: true }), other: server({}) } },
    })
    const scanned = async (...flags: string[]) => {
      const env = { PATH: process.env.PATH ?? '' }
      const { servers } = JSON.parse(
        (await holdpoint(['scan', '--json', '--yes', ...flags], { cwd, env })).out,
      )
      return servers.map(({ tools }: { tools: { evidence: { rule: string }[] }[] }) =>
        tools.some(({ evidence }) => evidence.some(({ rule }) => rule === 'trusted-hint')),
      )
    }
    expect(await scanned()).toEqual([true, false])
    expect(await scanned('--trust')).toEqual([true, true])
  })

  test('names in its policy that are of none of its tools are said, with where they stand', async () => {
    const cwd = folder({
      'holdpoint.yaml': {
        servers: { files: { command: process.execPath, args: [filesystem, '.'], policy: 'p.yaml' } },
      },
      'p.yaml': 'default: deny\nallow: [read_file]\ndeny: [write_flie]\n',
    })
    const env = { PATH: process.env.PATH ?? '' }
    const { err, code } = await holdpoint(['scan', '--yes'], { cwd, env })
    expect(code).toBe(0)
    expect(err).toContain('p.yaml:3:8  the server has no tool "write_flie"')
    expect(err).toContain('did you mean "write_file"?')
    const { notes } = JSON.parse((await holdpoint(['scan', '--json', '--yes'], { cwd, env })).out)
    expect(notes).toMatchObject([{ line: 3, column: 8 }])
  })

  test('VS Code: a server over HTTP, and one that asks for an input', async () => {
    const everything = await startEverything()
    try {
      const cwd = folder({
        '.vscode/mcp.json': {
          inputs: [{ id: 'key', type: 'promptString' }],
          servers: {
            everything: { type: 'http', url: everything.url },
            asking: {
              type: 'http',
              url: 'https://example.com/mcp',
              headers: { authorization: `\${input:key}` },
            },
          },
        },
      })
      const { code, out, err } = await holdpoint(['scan', 'vscode'], { cwd })
      expect(code).toBe(1)
      expect(out).toMatch(/^everything {2}\d+ tools: /m)
      expect(err).toContain(`asking could not be scanned: it needs \${input:key}`)
    } finally {
      await everything.stop()
    }
  })

  test('what a program said before it ended is told, and nothing of a gateway that there is none of', async () => {
    const cwd = folder({
      '.mcp.json': {
        mcpServers: {
          crash: {
            command: process.execPath,
            args: ['-e', "console.error('API_KEY is missing'); process.exitCode = 3"],
          },
          typo: { command: 'npx-that-nobody-has' },
        },
      },
    })
    const { code, err } = await holdpoint(['scan', '.mcp.json', '--yes'], { cwd })
    expect(code).toBe(1)
    expect(err).toMatch(
      /^crash could not be scanned: .*exited with code 3.*It wrote: API_KEY is missing\. Run /m,
    )
    expect(err).toMatch(/^typo could not be scanned: .*npx-that-nobody-has.*does not exist/m)
    expect(err).not.toMatch(/gateway|holdpoint\.yaml|-32603/)
  })

  test('one file of a client that is empty or broken hides no other; what the client does not start is not started', async () => {
    const off = { command: 'touch', args: ['started'], disabled: true }
    const list = { command: process.execPath, args: [filesystem, `\${workspaceFolder}`], envFile: '.env' }
    const home = { PATH: process.env.PATH ?? '' }
    const cwd = folder({
      '.mcp.json': { mcpServers: { list, off } },
      '.claude.json': { projects: {} },
      '.env': 'A=1',
    })
    const env = { ...home, HOME: cwd }
    const scanned = await holdpoint(['scan', 'claude-code', '--yes', '--json'], { cwd, env })
    expect(scanned.code).toBe(0)
    expect(scanned.err).toContain('with A set')
    expect(JSON.parse(scanned.out)).toMatchObject({
      servers: [{ name: 'list' }],
      missed: [],
      disabled: ['off'],
    })
    expect(existsSync(join(cwd, 'started'))).toBe(false)

    writeFileSync(join(cwd, '.claude.json'), '{ "mcpServers": { "a": { "command": "x"')
    const beside = await holdpoint(['scan', 'claude-code', '--yes'], { cwd, env })
    expect(beside.code).toBe(1)
    expect(beside.out).toMatch(/^list {2}\d+ tools/m)
    expect(beside.err).toContain('a closing } is missing')
    expect(beside.err).toContain('off is switched off in its client')

    const none = folder({ '.claude.json': { numStartups: 1 } })
    const told = await holdpoint(['scan', 'claude-code'], { cwd: none, env: { HOME: none } })
    expect(told.code).toBe(2)
    expect(told.err).toContain('claude-code is configured with no MCP server')
  })

  test('~/.claude.json: the servers of every project, by name', async () => {
    const cwd = folder({
      'claude.json': {
        projects: {
          '/a': { mcpServers: { one: { command: 'x' } } },
          '/b': { mcpServers: { two: { command: 'y' } } },
        },
      },
    })
    const { err } = await holdpoint(['scan', 'claude.json'], { cwd })
    expect(err).toContain('/a: one')
    expect(err).toContain('/b: two')
  })

  test('a file that is something else is refused with what it should have', async () => {
    const cwd = folder({ 'a.json': { x: 1 }, 'b.json': '{' })
    expect((await holdpoint(['scan', 'a.json'], { cwd })).err).toContain('`mcpServers`')
    const broken = await holdpoint(['scan', 'b.json'], { cwd })
    expect(broken.code).toBe(2)
    expect(broken.err).toContain('line 1')
    expect((await holdpoint(['scan', 'nowhere'], { cwd })).err).toContain(
      'neither a configured server nor a file',
    )
    expect((await holdpoint(['scan', 'claude'], { cwd })).err).toContain(
      'did you mean "claude-code" or "claude-desktop"?',
    )
    expect((await holdpoint(['scan', '.'], { cwd })).err).toContain('is a folder; name the file in it')
  })
})

describe('a saved list of tools', () => {
  test('is shown by level, the worst first, without starting anything', async () => {
    const { code, out, err } = await holdpoint(['scan', sampleList])
    expect(code).toBe(0)
    expect(err).toBe('')
    expect(out).toContain('26 tools')
    expect(out.indexOf('nworks_logout')).toBeLessThan(out.indexOf('nworks_mail_send'))
    expect(out.indexOf('nworks_mail_send')).toBeLessThan(out.indexOf('nworks_whoami'))
    expect(out).toContain('"삭제" in description')
  })

  test('becomes a policy that loads, lets reading pass and asks about the rest; nothing is overwritten', async () => {
    const cwd = folder({})
    const args = ['scan', sampleList, '--write-policy', 'nworks.yaml']
    expect((await holdpoint(args, { cwd })).code).toBe(0)
    const text = readFileSync(join(cwd, 'nworks.yaml'), 'utf8')
    const policy = readPolicy('nworks.yaml', text)
    expect(policy.ok).toBe(true)
    expect(text).toMatch(/^ {2}- nworks_whoami$/m)
    expect(text).toMatch(/^ {2}nworks_logout: "Critical, destructive: .*"$/m)
    const again = await holdpoint(args, { cwd })
    expect(again.code).toBe(1)
    expect(again.err).toContain('never overwritten')
  })

  test('with names that no policy can hold, still becomes one that loads', async () => {
    const names = ['null', 'a: b', 'x\ny', 'get_ok', 'get_ok', '-', '1e3', 'y', '']
    const cwd = folder({
      'l.json': { tools: names.map((name) => ({ name, description: 'Deletes "all"\n# x' })) },
    })
    expect((await holdpoint(['scan', 'l.json', '--write-policy', 'p.yaml'], { cwd })).code).toBe(0)
    const policy = readPolicy('p.yaml', readFileSync(join(cwd, 'p.yaml'), 'utf8'))
    expect(policy).toMatchObject({ ok: true })
  })

  test('explains one tool: the evidence, the attacks by their public names, related tools, ready policies', async () => {
    const { out } = await holdpoint(['scan', sampleList, '--explain', 'nworks_drive_upload'])
    expect(out).toContain('argument filePath')
    expect(out).toContain('Path traversal')
    expect(out).toContain('MCPoison')
    expect(out).toContain('Related tools')
    expect(out).toContain('policies/nworks')
    expect((await holdpoint(['scan', sampleList, '--explain', 'nothing'])).code).toBe(1)
  })

  test('hostile text is shown as marks, not sent to the terminal', async () => {
    const cwd = folder({ 'l.json': { tools: [{ name: 'get_\u001b[2J', description: '\u001b]0;x\u0007' }] } })
    const { out } = await holdpoint(['scan', 'l.json'], { cwd })
    expect(out).not.toContain('\u001b')
    expect(out).toContain('\\u{1B}')
  })
})
