/** One round of everything that clients do to a gateway, decently and otherwise. Counts what was asked and what was answered. */
import { writeFileSync } from 'node:fs'
import { z } from 'zod'
import { callOf, modernCallOf, modernHeaders } from '../traps/raw-client.ts'
import { oldClients } from './old-clients.ts'
import {
  answered,
  askedMeanwhile,
  type Client,
  clientOf,
  cut,
  type Site,
  succeeds,
  type Tally,
} from './tally.ts'

const REVISIONS = ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25']
export const basePolicy = 'default: allow\nrequire_approval: [gated, logout]\n'
/** `gated`: about which people decide; `null`: they decide about none of it. */
const SERVERS = [
  { server: 'stdio', tool: 'burst', gated: 'gated' },
  { server: 'http', tool: 'burst', gated: null },
  { server: 'modern', tool: 'report', gated: 'logout' },
  { server: 'old', tool: 'echo', gated: 'logout' },
] as const
const tasksMeta = JSON.stringify({
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': { extensions: { 'io.modelcontextprotocol/tasks': {} } },
})
const taskSchema = z.object({
  result: z.object({ taskId: z.string().optional(), task: z.object({ taskId: z.string() }).optional() }),
})

/** @param round tells its calls from those of other rounds */
export async function runRound(site: Site, round: number): Promise<Tally> {
  const tally: Tally = { asked: 0, wrong: [], due: 0, refused: [] }
  const decided = { stop: false }
  const deciding = decide(site, round, decided)
  await Promise.all([
    ...REVISIONS.map((revision, at) => legacy(site, tally, revision, at, round)),
    modern(site, tally, round),
    upstreamsThatEnd(site, tally),
    sessionsThatExpire(site, tally),
    oldClients(site, tally, round),
    listeners(site, tally),
    policies(site, round),
  ])
  decided.stop = true
  await deciding
  return tally
}

async function legacy(site: Site, tally: Tally, revision: string, at: number, round: number): Promise<void> {
  const headers = { 'mcp-protocol-version': revision }
  for (const { server, tool, gated } of SERVERS) {
    const client = clientOf(site, at, server)
    await succeeds(tally, '0', client.open(revision, { elicitation: {} }))
    const leaving = new AbortController()
    const stream = await client.listen(leaving.signal).catch(() => null)
    await succeeds(tally, '1', client.post('{"jsonrpc":"2.0","id":1,"method":"tools/list"}', headers))
    const call = (name: string, rawId: string, args: object) =>
      succeeds(tally, rawId, client.post(callOf(name, rawId, '{}', args), headers))
    await Promise.all(
      ['2', '"3"', '4'].map((rawId) =>
        succeeds(tally, rawId, client.post(callOf(tool, rawId, `{"progressToken":${rawId}}`), headers)),
      ),
    )
    if (server === 'modern') await succeeds(tally, '11', askedMeanwhile(client, callOf('ask', '11'), headers))
    if (gated !== null) {
      const marker = { round, revision, server }
      // Approved or denied by the person, cancelled, left.
      await Promise.all([
        call(gated, '5', { ...marker, wish: 'approve' }),
        call(gated, '6', { ...marker, wish: 'reject' }),
      ])
      await cut(client, callOf(gated, '7', '{}', { ...marker, wish: 'reject', left: true }), headers)
      const cancelled = client.send(
        callOf(gated, '8', '{}', { ...marker, wish: 'reject', cancelled: true }),
        headers,
      )
      await client.post(
        '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":8}}',
        headers,
      )
      await (await cancelled).body?.cancel().catch(() => {})
      if (revision === '2025-11-25') await legacyTask(tally, client, gated, marker, headers)
    }
    if (server === 'stdio') await cut(client, callOf('hang', '9'), headers)
    if (server === 'http')
      await answered(tally, '10', client.post(callOf('end_without_answer', '10'), headers))
    leaving.abort()
    await stream?.body?.cancel().catch(() => {})
    // Every other session is left to be forgotten.
    if ((round + at) % 2 === 0) await client.end()
  }
}

async function legacyTask(
  tally: Tally,
  client: Client,
  tool: string,
  marker: object,
  headers: Record<string, string>,
): Promise<void> {
  const asTask = (rawId: string, wish: string) =>
    callOf(tool, rawId, '{}', { ...marker, wish, task: true })
      .replace(/}$/, '')
      .replace(/}$/, ',"task":{}}}')
  const created = await answered(tally, '20', client.post(asTask('20', 'approve'), headers))
  const taskId = taskSchema.safeParse(JSON.parse(created.messages.at(-1) ?? '{}')).data?.result.task?.taskId
  const about = (method: string, rawId: string) =>
    answered(
      tally,
      rawId,
      client.post(
        `{"jsonrpc":"2.0","id":${rawId},"method":"${method}","params":{"taskId":"${taskId}"}}`,
        headers,
      ),
    )
  await about('tasks/get', '21')
  await about('tasks/result', '22')
  await answered(tally, '23', client.post('{"jsonrpc":"2.0","id":23,"method":"tasks/list"}', headers))
  const second = await answered(tally, '24', client.post(asTask('24', 'never'), headers))
  const other = taskSchema.safeParse(JSON.parse(second.messages.at(-1) ?? '{}')).data?.result.task?.taskId
  await answered(
    tally,
    '25',
    client.post(`{"jsonrpc":"2.0","id":25,"method":"tasks/cancel","params":{"taskId":"${other}"}}`, headers),
  )
}

async function modern(site: Site, tally: Tally, round: number): Promise<void> {
  for (const [at, { server, tool, gated }] of SERVERS.entries()) {
    const client = clientOf(site, at + round, server)
    await Promise.all(
      ['30', '31', '32'].map((rawId) => succeeds(tally, rawId, client.modernCall(tool, rawId, rawId))),
    )
    if (gated === null) continue
    const withArgs = (rawId: string, args: object, meta?: string) => {
      const body = modernCallOf(gated, rawId).replace('"arguments":{}', `"arguments":${JSON.stringify(args)}`)
      return meta === undefined ? body : body.replace(/"_meta":\{.*\}(?=\}\}$)/, `"_meta":${meta}`)
    }
    const marker = { round, server, era: 'modern' }
    const post = (rawId: string, args: object, meta?: string) =>
      succeeds(tally, rawId, client.post(withArgs(rawId, args, meta), modernHeaders(gated)))
    await Promise.all([post('33', { ...marker, wish: 'approve' }), post('34', { ...marker, wish: 'reject' })])
    await cut(client, withArgs('35', { ...marker, wish: 'reject', left: true }), modernHeaders(gated))
    const created = await post('36', { ...marker, wish: 'approve', task: true }, tasksMeta)
    const taskId = taskSchema.safeParse(JSON.parse(created.messages.at(-1) ?? '{}')).data?.result.taskId ?? ''
    const ask = (method: string, rawId: string) =>
      answered(
        tally,
        rawId,
        client.post(
          `{"jsonrpc":"2.0","id":${rawId},"method":"${method}","params":{"taskId":"${taskId}","_meta":${tasksMeta}}}`,
          { 'mcp-protocol-version': '2026-07-28', 'mcp-method': method, 'mcp-name': taskId },
        ),
      )
    const giveUpMs = performance.now() + 15_000
    for (let polls = 0; performance.now() < giveUpMs; polls++) {
      const got = await ask('tasks/get', String(40 + polls))
      if (!(got.messages.at(-1) ?? '').includes('"status":"working"')) break
      await new Promise((done) => setTimeout(done, 100))
    }
  }
}

/** Processes that die, and servers that break off. */
async function upstreamsThatEnd(site: Site, tally: Tally): Promise<void> {
  const client = clientOf(site, 0, 'stdio')
  await client.open()
  await Promise.all([
    answered(tally, '50', client.call('hang', '50')),
    answered(tally, '51', client.call('exit', '51')),
  ])
  await answered(tally, '52', client.call('pid', '52'))
  const atUrl = clientOf(site, 1, 'http')
  await atUrl.open()
  for (const [at, tool] of ['break_off', 'reset', 'half_json', 'teapot', 'accept_only'].entries()) {
    const rawId = String(60 + at)
    // A body that breaks off as JSON is an answer that no client takes for one.
    if (tool === 'half_json') await atUrl.call(tool, rawId).catch(() => null)
    else await answered(tally, rawId, atUrl.call(tool, rawId))
  }
  await atUrl.end()
}

/** Servers that forget a session, or end its stream in the middle of a call: the client shakes hands again. */
async function sessionsThatExpire(site: Site, tally: Tally): Promise<void> {
  const headers = { 'mcp-protocol-version': '2025-11-25' }
  const atUrl = clientOf(site, 0, 'http')
  await succeeds(tally, '0', atUrl.open())
  await succeeds(tally, '80', atUrl.call('forget', '80'))
  const lost = await answered(tally, '81', atUrl.call('burst', '81'))
  if (lost.status !== 404) tally.refused.push(`81: a session that is gone is HTTP ${lost.status}`)
  const anew = clientOf(site, 0, 'http')
  await succeeds(tally, '0', anew.open())
  await succeeds(tally, '82', anew.call('burst', '82'))
  for (const [at, tool] of ['slow', 'last'].entries()) {
    const old = clientOf(site, at, 'old')
    await succeeds(tally, '0', old.open())
    const leaving = new AbortController()
    const stream = await old.listen(leaving.signal)
    await answered(tally, '83', old.post(callOf(tool, '83'), headers))
    await answered(tally, '84', old.post(callOf('echo', '84'), headers))
    const again = clientOf(site, at, 'old')
    await succeeds(tally, '0', again.open())
    await succeeds(tally, '85', again.post(callOf('echo', '85'), headers))
    leaving.abort()
    await stream.body?.cancel().catch(() => {})
    // The gateway's own session for clients of 2026-07-28 expires as well.
    await answered(tally, '86', old.modernCall(tool, '86'))
    await succeeds(tally, '87', old.modernCall('echo', '87'))
  }
}

/** Streams that are opened and left, each with something to say on it. */
async function listeners(site: Site, tally: Tally): Promise<void> {
  const listening = ['stdio', 'modern', 'http', 'old'].flatMap((server, at) =>
    site.urls.map(async (_url, gateway) => {
      const client = clientOf(site, gateway + at, server)
      const leaving = new AbortController()
      const params = `{"notifications":{"toolsListChanged":true},"_meta":${tasksMeta}}`
      const response = await client
        .send(
          `{"jsonrpc":"2.0","id":"l","method":"subscriptions/listen","params":${params}}`,
          { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'subscriptions/listen' },
          leaving.signal,
        )
        .catch(() => null)
      tally.due++
      if (response?.status !== 200) tally.refused.push(`listening at ${server}: HTTP ${response?.status}`)
      await response?.body?.getReader().read()
      leaving.abort()
    }),
  )
  await Promise.all(listening)
}

/** Lists change, and change back. */
async function policies({ policyFile }: Site, round: number): Promise<void> {
  writeFileSync(policyFile, `${basePolicy}hide: [level]\n# ${round}\n`)
  await new Promise((done) => setTimeout(done, 300))
  writeFileSync(policyFile, `${basePolicy}# ${round}\n`)
}

/** A person who does what each call wishes. */
async function decide({ person }: Site, round: number, until: { stop: boolean }): Promise<void> {
  while (!until.stop) {
    for (const { id } of await person.pending().catch(() => [])) {
      const shown = JSON.stringify(await person.show(id).catch(() => null)).replaceAll('\\', '')
      if (!shown.includes(`"round":${round}`) || shown.includes('"wish":"never"')) continue
      const decision = shown.includes('"wish":"approve"') ? 'approve' : 'reject'
      await person.decide(id, decision).catch(() => null)
    }
    await new Promise((done) => setTimeout(done, 100))
  }
}
