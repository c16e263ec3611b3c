import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isBrowserMissing, openBrowser, openPage, shotsDirectory } from '../support/browser.ts'
import { connectV1 } from '../support/clients.ts'
import { type GatewayProcess, startProcess, temporaryDirectory } from '../support/gateway-process.ts'
import { type FreshDatabase, freshDatabase } from '../support/postgres.ts'

const wait = { timeout: 60_000 }

describe.skipIf(isBrowserMissing)('npm start and a browser', () => {
  let browser: Browser
  let database: FreshDatabase
  let gateway: GatewayProcess

  beforeAll(async () => {
    database = await freshDatabase()
    const directory = temporaryDirectory()
    // Nothing configured: the sample server, and the local person who confirms.
    const env = {
      PATH: process.env.PATH ?? '',
      HOME: directory,
      HOLDPOINT_DATA: join(directory, 'data'),
      DATABASE_URL: database.connectionString,
      PORT: '0',
    }
    gateway = await startProcess(env, join(directory, 'data'))
    browser = await openBrowser()
  })
  afterAll(async () => {
    await browser?.close()
    await gateway?.stop()
    await database?.drop()
  })

  test('the printed link signs in, a real call appears by itself, a yes runs it, the queues can be looked at', async () => {
    const printed = () => /http\S+\/sign-in#\w{5}-\w{5}/.exec(gateway.output())?.[0] ?? ''
    await expect.poll(printed).not.toBe('')
    const link = printed()
    const { page, complaints, close } = await openPage(browser)
    await page.goto(link)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByText('All quiet').waitFor(wait)

    const agent = await connectV1(`${gateway.url}/mcp/nworks`)
    const calling = agent.call('nworks_logout')
    await page.getByRole('link', { name: /nworks_logout/ }).click(wait)
    await page.getByText('it runs at once, exactly as shown').waitFor(wait)
    await page.screenshot({ path: join(shotsDirectory, 'gateway-approval.png'), fullPage: true })
    await page.getByText('Confirm…').click()
    await page.getByRole('button', { name: 'Confirm this critical call' }).click()
    await page.getByText('It ran once; the server answered').waitFor(wait)
    const result = await calling
    expect(result.isError ?? false).toBe(false)
    await agent.close()

    const board = await page.request.get(`${gateway.url}/queues`)
    expect(board.headers()['content-security-policy']).toContain("script-src 'self';")
    await page.getByRole('link', { name: 'Queues' }).click()
    for (const name of ['approvals', 'executions', 'deliveries']) {
      await page.getByText(name).first().waitFor(wait)
    }
    await page.getByText('approvals').first().click()
    await page.waitForURL(/queues\/queue\/approvals/)
    await page.goto(`${gateway.url}/queues/queue/approvals?status=delayed`)
    await page
      .getByText(/HP-\w{10}/)
      .first()
      .waitFor(wait)
    await page.screenshot({ path: join(shotsDirectory, 'gateway-queues.png') })
    const cleaned = await page.request.put(`${gateway.url}/queues/api/queues/approvals/pause`, {
      headers: { origin: gateway.url },
    })
    expect(cleaned.status()).toBe(405)
    expect(complaints).toEqual([])
    await close()
  })
})
