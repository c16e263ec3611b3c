/** Who is called again, who follows, and what the server says, in a real browser: it fits, and people are told when they may decide. */
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isBrowserMissing, openBrowser, openPage, shotsDirectory } from '../support/browser.ts'
import { mina, sora } from '../support/builders.ts'
import { serveConsole } from '../support/console-server.ts'
import { aConsole } from '../support/console-world.ts'

const minutes = (count: number) => count * 60_000

describe.skipIf(isBrowserMissing)('a call that people are called to again', () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await openBrowser()
  })
  afterAll(() => browser?.close())

  test.each([
    ['light', 1280],
    ['dark', 1280],
    ['dark', 390],
  ] as const)('fits the page: %s, %i wide', async (colorScheme, width) => {
    const world = await aConsole()
    const served = await serveConsole(world)
    const { hostname: domain } = new URL(served.url)
    async function signedIn(person: typeof mina) {
      const { token } = await world.sessionOf(person)
      const opened = await openPage(browser, { colorScheme, viewport: { width, height: 900 } })
      await opened.page.context().addCookies([{ name: 'holdpoint', value: token, domain, path: '/' }])
      return opened
    }
    const shot = (name: string) => join(shotsDirectory, `${name}-${colorScheme}-${width}.png`)

    const call = await world.add({
      tool: 'create_refund',
      args: { charge: 'ch_1', amount: 120_000, memo: '고객 요청으로 인한 전액 환불' },
      asking: {
        remindersMs: [minutes(15), minutes(45)],
        escalation: [
          { afterMs: minutes(30), groups: ['leads'], people: [] },
          { afterMs: minutes(60), groups: [], people: ['hana'] },
        ],
        lookups: [
          { label: '환불 상태', tool: 'get_refund_state', arguments: [{ name: 'charge', value: 'ch_1' }] },
          { label: null, tool: 'get_customer', arguments: [] },
        ],
      },
    })
    const early = await signedIn(sora)
    await early.page.goto(`${served.url}/approvals/${call.id}`)
    expect(await early.page.locator('.withheld').textContent()).toMatch(/You may decide about this in 30 min/)
    expect(await early.page.getByRole('heading', { name: 'What the server says' }).count()).toBe(0)

    const { page, complaints, close } = await signedIn(mina)
    await page.goto(`${served.url}/approvals/${call.id}`)
    await page.getByText('It is being read; nothing has to wait for it.').waitFor()
    const text = `{"charge":"ch_1","refunded":0,"note":"${'환불 내역이 없습니다. '.repeat(12)}","link":"https://example.com/${'x'.repeat(300)}"}`
    const digest = 'a'.repeat(64)
    const answer = { kind: 'answer', isError: false, text, isCut: true, bytes: 12_345, digest } as const
    const lookups = [
      { label: '환불 상태', tool: 'get_refund_state', arguments: '{"charge":"ch_1"}', found: answer },
      {
        ...{ label: null, tool: 'get_customer', arguments: null },
        found: { kind: 'none', reason: 'the policy does not allow get_customer' } as const,
      },
    ]
    const change = world.gateway.change
    await change(call.id, { kind: 'look_up', digest: call.proposed.digest, lookups })
    for (const step of [15, 15]) {
      world.advance(minutes(step))
      expect(await change(call.id, { kind: 'nudge' })).toMatchObject({ ok: true })
    }
    await page.goto(`${served.url}/approvals/${call.id}`)
    await page.getByRole('heading', { name: 'What the server says' }).waitFor()
    for (const said of [
      'Nothing to show: the policy does not allow get_customer.',
      'Only the beginning of 12,345 bytes.',
      'also anyone in leads',
      'Reminder to ops',
      'Escalation to leads',
      'The evidence of the rule was read',
    ])
      expect(await page.locator('#approval').textContent()).toContain(said)
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true)
    await page.screenshot({ path: shot('called-again'), fullPage: true })

    await early.page.goto(`${served.url}/approvals/${call.id}`)
    expect(await early.page.locator('.withheld').count()).toBe(0)
    expect([...complaints, ...early.complaints]).toEqual([])
    await early.close()
    await close()
    await served.close()
  })
})
