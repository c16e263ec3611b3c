/** The sample server as a real client meets it: compiled, started as a process, spoken to over stdio. */
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { connect as connectSocket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import {
  CallToolResultSchema,
  ElicitRequestSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import tools from '../../src/sample/tools.json' with { type: 'json' }
import { type HttpUpstream, startHttpUpstream } from '../support/http-upstream.ts'

const projectDir = fileURLToPath(new URL('../..', import.meta.url))
const program = join(projectDir, 'dist/src/sample/main.js')
const compileTimeoutMs = 120_000
const credentialFiles = ['credentials.json', 'token.json', 'user-token.json']

beforeAll(() => {
  if (existsSync(program)) return
  // Its exit status is not asked for: the compiler writes its output even when it has complaints.
  const compiler = join(projectDir, 'node_modules/typescript/bin/tsc')
  spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], { cwd: projectDir })
}, compileTimeoutMs)

describe('the NAVER WORKS sample', () => {
  let home: string
  let client: Client

  async function connect(): Promise<void> {
    client = new Client({ name: 'sample-test', version: '1.0.0' })
    const env = { NWORKS_SAMPLE_HOME: home }
    await client.connect(new StdioClientTransport({ command: process.execPath, args: [program], env }))
  }

  async function call(name: string, args: Record<string, unknown> = {}) {
    const answer = CallToolResultSchema.parse(await client.callTool({ name, arguments: args }))
    const [block] = answer.content
    return { isError: answer.isError ?? false, text: block?.type === 'text' ? block.text : '' }
  }

  const callsLogged = () =>
    readFileSync(join(home, 'calls.log'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line): unknown => JSON.parse(line))

  const present = () => credentialFiles.filter((file) => existsSync(join(home, file)))

  beforeEach(async () => {
    home = mkdtempSync(join(tmpdir(), 'holdpoint-nworks-'))
    await connect()
  })
  afterEach(async () => {
    await client.close()
    rmSync(home, { recursive: true, force: true })
  })

  test('lists the 26 tools exactly as the file has them', async () => {
    expect(tools.tools).toHaveLength(26)
    expect(await client.listTools()).toEqual(tools)
  })

  test('says that it is a sample in its name, its instructions and its answers', async () => {
    expect(client.getServerVersion()?.name).toBe('nworks (sample)')
    expect(client.getInstructions()).toContain('sample')
    expect((await call('nworks_whoami')).text).toContain('[nworks (sample)]')
  })

  test('a logout removes the credential files and outlives a restart; a login brings them back', async () => {
    expect(present()).toEqual(credentialFiles)
    expect((await call('nworks_whoami')).text).toContain('haneul.kim@example.com')

    expect((await call('nworks_logout')).text).toContain('"file": "credentials.json"')
    expect(present()).toEqual([])
    await client.close()
    await connect()
    expect((await call('nworks_whoami')).text).toContain('로그인되어 있지 않습니다')
    expect((await call('nworks_task_list')).isError).toBe(true)
    expect((await call('nworks_logout')).text).toContain('nothing to remove')
    expect(present()).toEqual([])

    await call('nworks_login_user')
    expect((await call('nworks_whoami')).text).toContain('haneul.kim@example.com')
  })

  test('a logout keeps the other profiles', async () => {
    const file = join(home, 'token.json')
    const other = { accessToken: 'of-another-account' }
    writeFileSync(file, JSON.stringify({ default: {}, other }))
    await call('nworks_logout')
    expect(present()).toEqual(['token.json'])
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ other })
  })

  test('each executed call is one line of calls.log; a call that was turned away is none', async () => {
    await call('nworks_whoami')
    await call('nworks_task_update', {})
    await expect(client.callTool({ name: 'nworks_unknown' })).rejects.toMatchObject({ code: -32602 })
    await call('nworks_doctor')
    expect(callsLogged()).toMatchObject([{ tool: 'nworks_whoami' }, { tool: 'nworks_doctor' }])
  })

  test('wrong arguments are refused by the name of the field', async () => {
    const wrong = [
      ['nworks_task_update', {}, 'taskId'],
      ['nworks_drive_list', { count: 'many' }, 'count'],
      ['nworks_message_send', { text: 'hi', type: 'shout' }, 'type'],
    ] as const
    for (const [tool, args, field] of wrong) {
      const { isError, text } = await call(tool, args)
      expect({ tool, isError }).toEqual({ tool, isError: true })
      expect(text).toContain(field)
    }
  })

  test('no path leads out of the drive, by dots, from the root or along a link', async () => {
    symlinkSync(home, join(home, 'drive/link-to-home'))
    symlinkSync(join(home, 'made-by-link'), join(home, 'drive/link-to-nothing'))
    const escapes = [
      ['nworks_drive_download', { fileId: '../user-token.json' }],
      ['nworks_drive_download', { fileId: '/etc/passwd' }],
      ['nworks_drive_download', { fileId: 'link-to-home/user-token.json' }],
      ['nworks_drive_download', { fileId: 'welcome.txt', outputDir: '..' }],
      ['nworks_drive_download', { fileId: 'welcome.txt', outputDir: '.', outputName: '../x' }],
      ['nworks_drive_list', { folderId: '..' }],
      ['nworks_drive_upload', { fileName: '../x', content: 'eA==' }],
      ['nworks_drive_upload', { fileName: 'x', content: 'eA==', folderId: '../..' }],
      ['nworks_drive_upload', { fileName: 'link-to-nothing', content: 'eA==', overwrite: true }],
      ['nworks_drive_upload', { filePath: '/etc/passwd' }],
    ] as const
    const before = readdirSync(home)
    for (const [tool, args] of escapes) {
      const { isError, text } = await call(tool, args)
      expect({ args, isError }).toEqual({ args, isError: true })
      expect(text).toContain("not a path inside the sample's drive/")
    }
    expect(readdirSync(home).filter((name) => name !== 'calls.log')).toEqual(before)
  })

  test('what was created is listed, changed and deleted again', async () => {
    const period = { fromDateTime: '2030-01-01T00:00:00+09:00', untilDateTime: '2030-01-02T00:00:00+09:00' }
    const times = { start: '2030-01-01T10:00:00', end: '2030-01-01T11:00:00' }
    const created = await call('nworks_calendar_create', { summary: 'kick-off', ...times })
    const eventId = /evt-[0-9a-f]+/.exec(created.text)?.[0] ?? ''
    expect((await call('nworks_calendar_list', period)).text).toContain('kick-off')
    await call('nworks_calendar_update', { eventId, location: 'roof' })
    expect((await call('nworks_calendar_list', period)).text).toContain('roof')
    await call('nworks_calendar_delete', { eventId })
    expect((await call('nworks_calendar_list', period)).text).not.toContain('kick-off')

    await call('nworks_drive_upload', { fileName: 'a.txt', content: 'aGVsbG8=', folderId: 'sub' })
    expect((await call('nworks_drive_download', { fileId: 'sub/a.txt' })).text).toContain('"text": "hello"')
    await call('nworks_message_send', { to: 'sol.park', text: 'lunch?' })
    expect(readFileSync(join(home, 'messages.json'), 'utf8')).toContain('lunch?')
    await call('nworks_mail_send', { to: 'bada.lee@example.com', subject: 'minutes' })
    expect((await call('nworks_mail_list', { folderId: 1 })).text).toContain('minutes')
    await call('nworks_task_update', { taskId: 'task-report', status: 'done' })
    expect((await call('nworks_task_list', { status: 'TODO' })).text).not.toContain('task-report')
    await call('nworks_board_create', { boardId: 'board-notice', title: 'news' })
    expect((await call('nworks_board_posts', { boardId: 'board-notice' })).text).toContain('news')
  })
})

test('the sample ends with its input, and without a state directory it does not start', () => {
  const home = mkdtempSync(join(tmpdir(), 'holdpoint-nworks-'))
  const start = (env: Record<string, string>) =>
    spawnSync(process.execPath, [program], { env, input: '', encoding: 'utf8', timeout: 20_000 })
  expect(start({ NWORKS_SAMPLE_HOME: home })).toMatchObject({ status: 0, stdout: '', stderr: '' })
  expect(start({})).toMatchObject({ status: 2, stdout: '' })
  rmSync(home, { recursive: true, force: true })
})

describe('the HTTP upstream for tests', () => {
  let upstream: HttpUpstream
  let client: Client

  beforeEach(async () => {
    upstream = await startHttpUpstream()
    client = new Client({ name: 'upstream-test', version: '1.0.0' }, { capabilities: { elicitation: {} } })
    await client.connect(new StreamableHTTPClientTransport(upstream.url))
  })
  afterEach(async () => {
    await client.close()
    await upstream.close()
  })

  test('lists by pages, and counts what was received and what ran', async () => {
    const first = await client.listTools()
    const second = await client.listTools({ cursor: first.nextCursor })
    expect(first.tools.map(({ name }) => name)).toEqual(['echo', 'create_refund', 'delete_repository'])
    expect(second.tools.map(({ name }) => name)).toContain('slow')

    const args = { paymentId: 'pay_1', amountKrw: 5000 }
    const refund = await client.callTool({ name: 'create_refund', arguments: args })
    expect(refund.structuredContent).toEqual({ refundId: 're_1' })
    expect(upstream.executed).toEqual([{ tool: 'create_refund', args }])
    expect(upstream.callsOf('create_refund')).toHaveLength(1)
  })

  test('sends progress to whoever gave a token, and asks over the stream of the call', async () => {
    client.setRequestHandler(ElicitRequestSchema, () => ({ action: 'accept', content: { colour: 'blue' } }))
    const heard: number[] = []
    const onprogress = ({ progress }: { progress: number }) => void heard.push(progress)
    await client.callTool({ name: 'slow', arguments: { delayMs: 30 } }, undefined, { onprogress })
    expect(heard.slice(0, 2)).toEqual([1, 2])
    expect(JSON.stringify(await client.callTool({ name: 'ask', arguments: {} }))).toContain('blue')
  })

  test('answers with errors in both forms, and with numbers that only the raw text keeps', async () => {
    await expect(client.callTool({ name: 'fail', arguments: {} })).rejects.toMatchObject({ code: -32099 })
    expect(await client.callTool({ name: 'iserror', arguments: {} })).toMatchObject({ isError: true })
    const raw = await modern(upstream, 'tools/call', { name: 'big', arguments: {} })
    expect(await raw.text()).toContain('"exact":9007199254740993')
  })

  test('forgets its sessions, refuses connections and comes back on the same port', async () => {
    upstream.expireSessions()
    await expect(client.callTool({ name: 'echo', arguments: {} })).rejects.toThrow(/Session not found/)
    await upstream.refuse()
    expect(await refusalOf(upstream.url)).toMatchObject({ code: 'ECONNREFUSED' })
    await upstream.accept()
    expect((await fetch(upstream.url, { method: 'POST', body: '{' })).status).toBe(400)
  })

  test('misbehaves as told, after the tool has run', async () => {
    const echo = () => modern(upstream, 'tools/call', { name: 'echo', arguments: {} })
    upstream.misbehave('tools/call', { kind: 'reset_after_request' })
    await expect(echo()).rejects.toThrow()
    upstream.misbehave('tools/call', { kind: 'cut_stream' })
    await expect(echo().then((response) => response.text())).rejects.toThrow()
    upstream.misbehave('tools/call', { kind: 'bad_json' })
    await expect(echo().then((response) => response.json())).rejects.toThrow(SyntaxError)
    upstream.misbehave('tools/call', { kind: 'status', status: 500 })
    expect((await echo()).status).toBe(500)
    expect(upstream.executed).toHaveLength(3)
    expect(upstream.cancelled).toEqual([])
  })

  test('withholds an answer until it is told to behave', async () => {
    upstream.misbehave('tools/call', { kind: 'never_answer' })
    const answer = client.callTool({ name: 'echo', arguments: { message: 'late' } })
    await upstream.seen(({ tool }) => tool === 'echo')
    upstream.behave()
    expect(JSON.stringify(await answer)).toContain('late')
  })

  test('tells of a redefined tool', async () => {
    await upstream.seen(({ method }) => method === 'GET')
    const told = new Promise<void>((resolve) =>
      client.setNotificationHandler(ToolListChangedNotificationSchema, () => resolve()),
    )
    upstream.redefine('echo', 'Now different.')
    await told
    const { tools: listed } = await client.listTools()
    expect(listed[0]?.description).toBe('Now different.')
  })

  test('speaks the modern era: no session, headers that must match, results that say they are complete', async () => {
    expect(await (await modern(upstream, 'server/discover', {})).json()).toMatchObject({
      result: { resultType: 'complete', supportedVersions: ['2026-07-28'] },
    })
    expect(await (await modern(upstream, 'tools/list', {})).json()).toMatchObject({
      result: { resultType: 'complete', cacheScope: 'private' },
    })
    expect(await (await modern(upstream, 'tools/call', { name: 'ask', arguments: {} })).json()).toMatchObject(
      {
        result: { resultType: 'input_required' },
      },
    )
    expect((await modern(upstream, 'no/such', {})).status).toBe(404)
    const lying = await modern(upstream, 'tools/call', { name: 'echo', arguments: {} }, { 'mcp-name': 'big' })
    expect(lying.status).toBe(400)
    expect((await fetch(upstream.url, { headers: { 'mcp-protocol-version': '2026-07-28' } })).status).toBe(
      405,
    )
  })
})

/** A socket of its own, because a pooled one may report that it was closed before. */
async function refusalOf({ hostname, port }: URL): Promise<unknown> {
  const socket = connectSocket(Number(port), hostname)
  return new Promise((resolve) => socket.once('error', resolve).once('connect', resolve))
}

function modern(
  upstream: HttpUpstream,
  method: string,
  params: Record<string, unknown>,
  headers: Record<string, string> = {},
): Promise<Response> {
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': {},
  }
  return fetch(upstream.url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': method,
      ...(typeof params.name === 'string' ? { 'mcp-name': params.name } : {}),
      ...headers,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta } }),
  })
}
