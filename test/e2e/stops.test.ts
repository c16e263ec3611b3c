/** The kill switch with two real gateways: what one is told to stop, the other refuses as well, and what waits there ends. */
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { linkCodeHash } from '../../src/domain/link-code.ts'
import { connectV1, textOf } from '../support/clients.ts'
import { aPerson, mintToken, query, startGateway, temporaryDirectory } from '../support/gateway-process.ts'
import { type HttpUpstream, startHttpUpstream } from '../support/http-upstream.ts'
import { freshDatabase } from '../support/postgres.ts'
import { startSlackDouble } from '../support/slack/double.ts'

const cli = resolve(import.meta.dirname, '../../dist/src/cli.js')

let upstream: HttpUpstream
beforeAll(async () => {
  upstream = await startHttpUpstream()
})
afterAll(() => upstream.close())

test('a stop at one gateway holds at both; a call that waits at the other is cancelled; lifted, calls pass again', async () => {
  const database = await freshDatabase()
  const cleanUps: (() => Promise<unknown>)[] = [() => database.drop()]
  try {
    const file = (text: string) => {
      const path = join(temporaryDirectory(), 'policy.yaml')
      writeFileSync(path, text)
      return path
    }
    const url = upstream.url.href
    const [loose, strict] = [file('default: allow\n'), file('default: require_approval\n')]
    const servers = {
      pay: { url, policy: loose, approvers: ['ops'] },
      careful: { url, policy: strict, approvers: ['ops'] },
    }
    const start = async () => {
      const config = { databaseUrl: database.connectionString, servers, more: { operators: ['mina'] } }
      const gateway = await startGateway(config)
      cleanUps.push(() => gateway.stop())
      return gateway
    }
    const [first, second] = [await start(), await start()]
    const token = await mintToken(database.connectionString, [first, second], 'agent', 'night-agent')
    const personToken = await mintToken(database.connectionString, first, 'person', 'mina')
    const mina = aPerson(first.url, personToken)
    const asMina = (path: string, body: object) =>
      fetch(`${first.url}/api/v1/stops${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${personToken}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
    const [one, two] = [
      await connectV1(`${first.url}/mcp/pay`, token),
      await connectV1(`${second.url}/mcp/pay`, token),
    ]
    const waiting = await connectV1(`${second.url}/mcp/careful`, token)
    const refund = async (client: typeof one) =>
      textOf(await client.call('create_refund', { amount: 1, charge: 'ch_1' }))
    expect(await refund(one)).toContain('re_')
    expect(await refund(two)).toContain('re_')
    const called = waiting.call('create_refund', { amount: 9, charge: 'ch_9' })
    const [id = ''] = await mina.waitForPending()

    const put = await asMina('', { agent: 'night-agent', reason: '밤새 환불했어요' })
    expect(put.status).toBe(200)
    expect(await refund(one)).toMatch(/STOPPED by mina .*밤새 환불했어요/)
    await expect.poll(() => refund(two)).toContain('STOPPED by mina')
    expect(textOf(await called)).toMatch(
      new RegExp(`${id} was withdrawn by mina, who said: "stopped: 밤새 환불했어요"`),
    )
    expect((await mina.show(id)).approval.status).toBe('settled')

    expect((await asMina('/1/lift', {})).status).toBe(200)
    expect(await refund(one)).toContain('re_')
    await expect.poll(() => refund(two)).toContain('re_')
  } finally {
    for (const cleanUp of cleanUps.reverse()) await cleanUp()
  }
})

test('a call that is being sent when it is stopped: its repeat, at the other gateway, waits for the real answer', async () => {
  const database = await freshDatabase()
  const cleanUps: (() => Promise<unknown>)[] = [() => database.drop(), async () => upstream.behave()]
  try {
    const policy = join(temporaryDirectory(), 'policy.yaml')
    writeFileSync(policy, 'default: require_approval\n')
    const servers = { pay: { url: upstream.url.href, policy, approvers: ['ops'] } }
    const start = async () => {
      const config = { databaseUrl: database.connectionString, servers, more: { operators: ['mina'] } }
      const gateway = await startGateway(config)
      cleanUps.push(() => gateway.stop())
      return gateway
    }
    const [first, second] = [await start(), await start()]
    const token = await mintToken(database.connectionString, [first, second], 'agent', 'night-agent')
    const personToken = await mintToken(database.connectionString, first, 'person', 'mina')
    const mina = aPerson(first.url, personToken)
    const args = { amount: 77, charge: 'ch_stopped' }
    const call = async ({ url }: typeof first) => {
      const client = await connectV1(`${url}/mcp/pay`, token)
      return textOf(await client.call('create_refund', args))
    }
    const before = upstream.callsOf('create_refund').length
    upstream.misbehave('tools/call', { kind: 'never_answer' })
    const called = call(second)
    const [id = ''] = await mina.waitForPending()
    await mina.decide(id, 'approve')
    await expect.poll(() => upstream.callsOf('create_refund').length).toBe(before + 1)
    const stopped = await fetch(`${first.url}/api/v1/stops`, {
      method: 'POST',
      headers: { authorization: `Bearer ${personToken}`, 'content-type': 'application/json' },
      body: JSON.stringify({ agent: 'night-agent', reason: 'it runs wild' }),
    })
    expect(stopped.status).toBe(200)
    const repeated = call(first)
    // Another call of the same agent is refused there by now; the repeat would have been as well.
    const other = await connectV1(`${first.url}/mcp/pay`, token)
    expect(textOf(await other.call('create_refund', { ...args, amount: 78 }))).toContain('STOPPED by mina')
    upstream.behave()
    for (const text of [await called, await repeated]) {
      expect(text).toContain('re_')
      expect(text).not.toContain('NOT EXECUTED')
    }
    expect(upstream.callsOf('create_refund')).toHaveLength(before + 1)
  } finally {
    for (const cleanUp of cleanUps.reverse()) await cleanUp()
  }
})

/** Mina's browser at one gateway: signed in, and posting from the page that it shows. */
async function aBrowser(databaseUrl: string, url: string) {
  await query(
    databaseUrl,
    "INSERT INTO holdpoint.link_code (code_hash, person, expires_at) VALUES ($1, 'mina', clock_timestamp() + interval '10 minutes')",
    [linkCodeHash('M1NA000001')],
  )
  const headers = { origin: url, 'content-type': 'application/x-www-form-urlencoded' }
  const signedIn = await fetch(`${url}/sign-in`, {
    ...{ method: 'POST', redirect: 'manual' },
    ...{ headers, body: new URLSearchParams({ code: 'M1NA000001' }) },
  })
  const cookie = (signedIn.headers.get('set-cookie') ?? '').split(';')[0] ?? ''
  const page = await (await fetch(`${url}/stops`, { headers: { cookie } })).text()
  const token = /name="token" value="([^"]+)"/.exec(page)?.[1] ?? ''
  return async function post(fields: Record<string, string>): Promise<string> {
    const body = new URLSearchParams({ token, ...fields, sure: 'yes' })
    return (await fetch(`${url}/stops`, { method: 'POST', headers: { ...headers, cookie }, body })).text()
  }
}

test('by every door and of every scope, what waits at the other gateway ends, and its card in Slack says who and why', async () => {
  const database = await freshDatabase()
  const slack = await startSlackDouble({ messageRate: null })
  const cleanUps: (() => Promise<unknown>)[] = [() => database.drop(), () => slack.close()]
  try {
    const policy = join(temporaryDirectory(), 'policy.yaml')
    writeFileSync(policy, 'default: allow\nrequire_approval: [create_refund]\n')
    const options = {
      databaseUrl: database.connectionString,
      servers: { pay: { url: upstream.url.href, policy, approvers: ['ops'] } },
      channels: { slack: { channel: slack.addChannel({ name: 'approvals' }).id } },
      timings: { hold: '10m' },
      more: { operators: ['mina'] },
      env: { SLACK_BOT_TOKEN: slack.tokens.bot, SLACK_API_URL: slack.slackApiUrl },
    }
    const gateways = [await startGateway(options), await startGateway(options)] as const
    for (const gateway of gateways) cleanUps.push(() => gateway.stop())
    const [{ url: HOLDPOINT_URL }, { url: elsewhere }] = gateways
    const agent = await mintToken(database.connectionString, gateways, 'agent', 'night-agent')
    const HOLDPOINT_TOKEN = await mintToken(database.connectionString, gateways, 'person', 'mina')
    const mina = aPerson(HOLDPOINT_URL, HOLDPOINT_TOKEN)
    const clients = [
      await connectV1(`${HOLDPOINT_URL}/mcp/pay`, agent),
      await connectV1(`${elsewhere}/mcp/pay`, agent),
    ] as const
    for (const client of clients) cleanUps.push(() => client.close())

    const typed = async (...args: string[]) => {
      const env = { ...process.env, HOLDPOINT_URL, HOLDPOINT_TOKEN, NO_COLOR: '1' }
      return (await promisify(execFile)(process.execPath, [cli, ...args, '--yes'], { env })).stdout
    }
    const clicked = await aBrowser(database.connectionString, HOLDPOINT_URL)
    const requested = async (path: string, body: object) => {
      const headers = { authorization: `Bearer ${HOLDPOINT_TOKEN}`, 'content-type': 'application/json' }
      const init = { method: 'POST', headers, body: JSON.stringify(body) }
      return (await fetch(`${HOLDPOINT_URL}/api/v1/stops${path}`, init)).text()
    }
    let count = 0
    const refund = async (client: (typeof clients)[number]) =>
      textOf(await client.call('create_refund', { amount: 1, charge: `door_${++count}` }))
    /** At the other gateway. Until that has heard that a stop was lifted, a call ends at once. */
    async function waiting(): Promise<{ id: string; called: Promise<string> }> {
      for (;;) {
        const called = refund(clients[1])
        let hasEnded = false
        const ending = called.then(() => {
          hasEnded = true
        })
        await expect.poll(async () => hasEnded || (await mina.pending()).length === 1).toBe(true)
        if (!hasEnded) return { id: (await mina.pending())[0]?.id ?? '', called }
        await ending
      }
    }
    let stops = 0

    for (const [door, stop, lift] of [
      [
        'CLI, an agent',
        (reason: string) => typed('stop', '--agent', 'night-agent', '--reason', reason),
        (number: string) => typed('resume', number),
      ],
      [
        'API, a tool',
        (reason: string) => requested('', { server: 'pay', tool: 'create_refund', reason }),
        (number: string) => requested(`/${number}/lift`, {}),
      ],
      [
        'console, everything',
        (reason: string) => clicked({ act: 'stop', everything: 'yes', reason }),
        (number: string) => clicked({ act: 'lift', number }),
      ],
      [
        'CLI, a server',
        (reason: string) => typed('stop', '--server', 'pay', '--reason', reason),
        (number: string) => typed('resume', number),
      ],
    ] as const) {
      const reason = `${door}: 밤새 환불했어요`
      const { id, called } = await waiting()
      const card = await slack.waitForMessage((one) => slack.textOf(one).includes(id))
      expect(slack.buttons(card)).not.toEqual([])

      await stop(reason)
      expect(await called).toContain(`${id} was withdrawn by mina, who said: "stopped: ${reason}"`)
      const ended = await slack.waitForMessage(
        (one) => one.ts === card.ts && slack.textOf(one).includes('Withdrawn'),
      )
      expect(slack.textOf(ended)).toContain(`Withdrawn by mina: “stopped: ${reason}”. Nothing was sent.`)
      expect(slack.buttons(ended)).toEqual([])
      for (const client of clients) {
        await expect.poll(() => refund(client), { interval: 500 }).toContain(`STOPPED by mina`)
      }
      expect(await mina.pending()).toEqual([])

      await lift(String(++stops))
    }
    expect(
      await (
        await fetch(`${HOLDPOINT_URL}/api/v1/stops`, {
          headers: { authorization: `Bearer ${HOLDPOINT_TOKEN}` },
        })
      ).json(),
    ).toMatchObject({ stops: [] })
    expect(upstream.executed.filter(({ args }) => String(args.charge).startsWith('door_'))).toEqual([])
  } finally {
    for (const cleanUp of cleanUps.reverse()) await cleanUp()
  }
})
