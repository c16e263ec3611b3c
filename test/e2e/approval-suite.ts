/** Critical calls through real gateways: approved, denied, timed out, left and returned to, repeated, on two gateways. For every set of stores. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type CallResult, connectV1, connectV2, textOf } from '../support/clients.ts'
import {
  aPerson,
  type GatewayOptions,
  type GatewayProcess,
  mintToken,
  query,
  sampleMain,
  startGateway,
  temporaryDirectory,
} from '../support/gateway-process.ts'
import { type HttpUpstream, startHttpUpstream } from '../support/http-upstream.ts'

export interface Site {
  readonly databaseUrl: string
  /** What a gateway needs to know of it besides. */
  readonly env: Record<string, string>
  /** Where the roles run in processes of their own. */
  startWorkers(options: GatewayOptions): Promise<void>
  close(): Promise<void>
}

export function approvalSuite(name: string, open: () => Promise<Site>): void {
  describe(name, () => {
    const sampleHome = join(temporaryDirectory(), 'nworks')
    let site: Site
    let upstream: HttpUpstream
    let gateway: GatewayProcess
    let agent: string
    let otherAgent: string
    let mina: ReturnType<typeof aPerson>
    let jun: ReturnType<typeof aPerson>
    let minaToken: string

    const options = () => ({
      databaseUrl: site.databaseUrl,
      env: site.env,
      servers: {
        pay: { url: upstream.url.href },
        nworks: { command: process.execPath, args: [sampleMain], env: { NWORKS_SAMPLE_HOME: sampleHome } },
      },
      timings: { hold: '120s', comment: '300ms', progress: '200ms' },
    })

    beforeAll(async () => {
      site = await open()
      upstream = await startHttpUpstream()
      gateway = await startGateway(options())
      await site.startWorkers(options())
      agent = await mintToken(site.databaseUrl, gateway, 'agent', 'night-agent')
      otherAgent = await mintToken(site.databaseUrl, gateway, 'agent', 'day-agent')
      minaToken = await mintToken(site.databaseUrl, gateway, 'person', 'mina')
      mina = aPerson(gateway.url, minaToken)
      jun = aPerson(gateway.url, await mintToken(site.databaseUrl, gateway, 'person', 'jun'))
    })
    afterAll(async () => {
      await gateway?.stop()
      await upstream?.close()
      await site?.close()
    })

    let calls = 0
    /** A call nobody has made before, so that tests do not meet each other's outcomes. */
    let amount: { amount: number; charge: string }
    beforeEach(() => {
      amount = { amount: ++calls, charge: `ch_${calls}` }
    })

    const hits = () =>
      upstream.executed.filter(({ args }) => JSON.stringify(args).includes(`"${amount.charge}"`)).length
    const meta = (result: CallResult) => result._meta?.['dev.holdpoint/approval']

    describe.each([
      ['the v1 client', connectV1],
      ['the v2 client in legacy mode', connectV2],
    ])('%s', (_name, connect) => {
      test('waits with progress, and gets the real result after an approval', async () => {
        const client = await connect(`${gateway.url}/mcp/pay`, agent)
        const told: (string | undefined)[] = []
        const called = client.call('create_refund', amount, {
          onProgress: ({ message }) => told.push(message),
        })
        const [id = ''] = await mina.waitForPending()
        await expect.poll(() => told.length).toBeGreaterThan(1)
        expect(told[0]).toContain(id)
        expect(hits()).toBe(0)
        expect(await mina.decide(id, 'approve')).toMatchObject({ ok: true })
        const result = await called
        expect(result.isError ?? false).toBe(false)
        expect(textOf(result)).toContain('re_')
        expect(hits()).toBe(1)
        await client.close()
      })

      test('is told who denied it and why, and that it was not executed', async () => {
        const client = await connect(`${gateway.url}/mcp/pay`, agent)
        const called = client.call('create_refund', amount)
        const [id = ''] = await mina.waitForPending()
        await mina.decide(id, 'reject', 'ask finance first')
        const result = await called
        expect(result.isError).toBe(true)
        expect(textOf(result)).toMatch(/NOT EXECUTED.*mina.*ask finance first/s)
        expect(meta(result)).toMatchObject({ id, outcome: 'rejected', retry: 'never' })
        // The same call again is refused without asking anybody.
        expect(textOf(await client.call('create_refund', amount))).toContain('ask finance first')
        expect(await mina.pending()).toEqual([])
        expect(hits()).toBe(0)
        await client.close()
      })
    })

    test('on stdio, the approved call runs once and really does what it says', async () => {
      const client = await connectV1(`${gateway.url}/mcp/nworks`, agent)
      const waiting = client.call('nworks_logout')
      const [id = ''] = await mina.waitForPending()
      expect(existsSync(join(sampleHome, 'credentials.json'))).toBe(true)
      await mina.decide(id, 'approve')
      const result = await waiting
      expect(result.isError ?? false).toBe(false)
      expect(existsSync(join(sampleHome, 'credentials.json'))).toBe(false)
      await client.close()
    })

    test('twenty parallel repeats: one approval, one upstream hit, twenty equal answers', async () => {
      const clients = await Promise.all([1, 2, 3, 4].map(() => connectV1(`${gateway.url}/mcp/pay`, agent)))
      const called = clients.flatMap((client) =>
        [1, 2, 3, 4, 5].map(() => client.call('create_refund', amount)),
      )
      const [id = ''] = await mina.waitForPending(1)
      const waiters = 'SELECT count(*)::int AS n FROM holdpoint.waiter WHERE approval_id = $1'
      await expect
        .poll(async () => (await query<{ n: number }>(site.databaseUrl, waiters, [id]))[0]?.n)
        .toBe(20)
      await mina.decide(id, 'approve')
      const results = await Promise.all(called)
      expect(new Set(results.map((result) => JSON.stringify(result))).size).toBe(1)
      expect(results[0]?.isError ?? false).toBe(false)
      expect(hits()).toBe(1)
      await Promise.all(clients.map((client) => client.close()))
    })

    test('a client that goes away and comes back gets the result of its one approval', async () => {
      const client = await connectV1(`${gateway.url}/mcp/pay`, agent)
      const leaving = new AbortController()
      const left = client.call('create_refund', amount, { signal: leaving.signal })
      const [id = ''] = await mina.waitForPending()
      leaving.abort('gone')
      await expect(left).rejects.toThrow()
      await client.close()
      await mina.waitForRequester(id, false)
      await mina.decide(id, 'approve')
      // Nobody is there to receive the result, so it has not run.
      await new Promise((done) => setTimeout(done, 300))
      expect(hits()).toBe(0)

      const back = await connectV1(`${gateway.url}/mcp/pay`, agent)
      const result = await back.call('create_refund', amount)
      expect(textOf(result)).toContain('re_')
      expect(hits()).toBe(1)
      await back.close()
    })

    test('a client that times out by itself does not withdraw its approval', async () => {
      const client = await connectV1(`${gateway.url}/mcp/pay`, agent)
      await expect(client.call('create_refund', amount, { timeoutMs: 5_000 })).rejects.toThrow(/timed out/i)
      const [id = ''] = await mina.waitForPending()
      const again = client.call('create_refund', amount)
      await mina.decide(id, 'approve')
      expect(textOf(await again)).toContain('re_')
      expect(hits()).toBe(1)
      await client.close()
    })

    test('an agent reads the outcome of its own calls, and nobody else does', async () => {
      const client = await connectV1(`${gateway.url}/mcp/pay`, agent)
      const called = client.call('create_refund', amount)
      const [id = ''] = await mina.waitForPending()
      const read = async (token: string) => {
        const response = await fetch(`${gateway.url}/api/v1/calls/${id}`, {
          headers: { authorization: `Bearer ${token}` },
        })
        return { status: response.status, text: await response.text() }
      }
      expect(await read(agent)).toMatchObject({ status: 200, text: expect.stringContaining('pending') })
      await mina.decide(id, 'approve')
      await called
      expect(await read(agent)).toMatchObject({ status: 200, text: expect.stringContaining('re_') })
      expect((await read(otherAgent)).status).toBe(404)
      await client.close()
    })

    test('neither the owner nor an agent decides', async () => {
      const client = await connectV1(`${gateway.url}/mcp/pay`, agent)
      const called = client.call('create_refund', amount)
      const [id = ''] = await mina.waitForPending()
      expect(await jun.decide(id, 'approve')).toMatchObject({ ok: false })
      const { approval } = await mina.show(id)
      const byAgent = await fetch(`${gateway.url}/api/v1/approvals/${id}/decision`, {
        method: 'POST',
        headers: { authorization: `Bearer ${agent}`, 'content-type': 'application/json' },
        body: JSON.stringify({ decision: 'approve', digest: approval.digest }),
      })
      expect(byAgent.status).toBe(403)
      expect(hits()).toBe(0)
      await mina.decide(id, 'reject')
      await called
      await client.close()
    })

    test('a decision on another digest than the one in force is refused', async () => {
      const client = await connectV1(`${gateway.url}/mcp/pay`, agent)
      const called = client.call('create_refund', amount)
      const [id = ''] = await mina.waitForPending()
      const answer = await fetch(`${gateway.url}/api/v1/approvals/${id}/decision`, {
        method: 'POST',
        headers: { authorization: `Bearer ${minaToken}`, 'content-type': 'application/json' },
        body: JSON.stringify({ decision: 'approve', digest: '0'.repeat(64) }),
      })
      expect(answer.status).toBe(409)
      await mina.decide(id, 'reject')
      await called
      await client.close()
    })

    test('exactly the shown bytes go out, and never the token of the client', async () => {
      const client = await connectV1(`${gateway.url}/mcp/pay`, agent)
      const called = client.call('create_refund', { ...amount, note: 'é \u202e {"amount":1}' })
      const [id = ''] = await mina.waitForPending()
      const { approval } = await mina.show(id)
      await mina.decide(id, 'approve')
      await called
      const [sent] = upstream.callsOf('create_refund').filter(({ body }) => body.includes(id))
      expect(sent?.body).toContain(approval.params.slice(1, approval.params.indexOf('"name":')))
      expect(JSON.stringify(upstream.requests)).not.toContain(agent)
      await client.close()
    })

    test('what an upstream asks and reports while the approved call runs reaches the waiting client', async () => {
      const client = await connectV1(`${gateway.url}/mcp/pay`, agent)
      const seen: number[] = []
      const slow = client.call(
        'slow',
        { delayMs: 300 },
        { onProgress: ({ progress }) => seen.push(progress) },
      )
      const [slowId = ''] = await mina.waitForPending()
      await mina.decide(slowId, 'approve')
      expect((await slow).isError ?? false).toBe(false)
      expect(seen).toEqual([...seen].sort((a, b) => a - b))
      expect(Math.max(...seen)).toBeGreaterThanOrEqual(1)

      const ask = client.call('ask')
      const [askId = ''] = await mina.waitForPending()
      await mina.decide(askId, 'approve')
      expect(textOf(await ask)).toContain('accept')
      await client.close()
    })

    test('an unknown tool asks nobody', async () => {
      const client = await connectV1(`${gateway.url}/mcp/pay`, agent)
      await expect(client.call('no_such_tool')).rejects.toThrow(/Unknown tool: no_such_tool/)
      expect(await mina.pending()).toEqual([])
      await client.close()
    })

    test('an upstream that breaks off after the send leaves "nobody knows", and never a second send', async () => {
      const client = await connectV1(`${gateway.url}/mcp/pay`, agent)
      const called = client.call('create_refund', amount)
      const [id = ''] = await mina.waitForPending()
      upstream.misbehave('tools/call', { kind: 'reset_after_request' })
      await mina.decide(id, 'approve')
      const result = await called
      upstream.behave()
      expect(textOf(result)).toMatch(/MAY OR MAY NOT/)
      expect(meta(result)).toMatchObject({ outcome: 'indeterminate', retry: 'never' })
      expect(textOf(await client.call('create_refund', amount))).toMatch(/MAY OR MAY NOT/)
      expect(hits()).toBe(1)
      await client.close()
    })

    test('an upstream that is down after the decision gets the call when it is back', async () => {
      const client = await connectV1(`${gateway.url}/mcp/pay`, agent)
      const called = client.call('create_refund', amount)
      const [id = ''] = await mina.waitForPending()
      await upstream.refuse()
      await mina.decide(id, 'approve')
      await expect
        .poll(
          async () =>
            (
              await query<{ r: string | null }>(
                site.databaseUrl,
                'SELECT unsent_reason AS r FROM holdpoint.approval WHERE id = $1',
                [id],
              )
            )[0]?.r,
        )
        .toBeTruthy()
      await upstream.accept()
      expect(textOf(await called)).toContain('re_')
      expect(hits()).toBe(1)
      await client.close()
    })

    describe('with another gateway on the same ledger', () => {
      let second: GatewayProcess
      beforeAll(async () => {
        second = await startGateway(options())
      })
      afterAll(async () => {
        await second?.stop()
      })

      test('both hold the same call; one decision through either, one hit, both answered', async () => {
        const [one, two] = await Promise.all([
          connectV1(`${gateway.url}/mcp/pay`, agent),
          connectV1(`${second.url}/mcp/pay`, agent),
        ])
        const called = [one.call('create_refund', amount), two.call('create_refund', amount)]
        const [id = ''] = await mina.waitForPending()
        await aPerson(second.url, minaToken).decide(id, 'approve')
        const [first, other] = await Promise.all(called)
        expect(first).toEqual(other)
        expect(hits()).toBe(1)
        await Promise.all([one.close(), two.close()])
      })

      test('a session opened on one gateway goes on at the other', async () => {
        const client = await connectV1(`${gateway.url}/mcp/pay`, agent)
        const response = await fetch(`${second.url}/mcp/pay`, {
          method: 'POST',
          headers: {
            authorization: `Bearer ${agent}`,
            'content-type': 'application/json',
            accept: 'application/json, text/event-stream',
            'mcp-session-id': client.sessionId ?? '',
            'mcp-protocol-version': '2025-11-25',
          },
          body: JSON.stringify({ jsonrpc: '2.0', id: 99, method: 'tools/list' }),
        })
        expect(response.status).toBe(200)
        await client.close()
      })

      test('the one that holds the call dies; the other answers the repeat with one hit', async () => {
        const doomed = await startGateway(options())
        const client = await connectV1(`${doomed.url}/mcp/pay`, agent)
        const called = client.call('create_refund', amount)
        const broken = expect(called).rejects.toThrow()
        const [id = ''] = await mina.waitForPending()
        await doomed.kill()
        await client.close()
        await broken
        await mina.decide(id, 'approve')
        const back = await connectV1(`${second.url}/mcp/pay`, agent)
        // The dead gateway's lease has to lapse before another one may send.
        expect(textOf(await back.call('create_refund', amount, { timeoutMs: 180_000 }))).toContain('re_')
        expect(hits()).toBe(1)
        await back.close()
      })
    })
  })
}
