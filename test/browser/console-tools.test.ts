/** Setting a server up in a real browser: long and Korean names, light, dark and narrow. */
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isBrowserMissing, openBrowser, openPage, shotsDirectory } from '../support/browser.ts'
import { aRevision, mina, owner } from '../support/builders.ts'
import { serveConsole } from '../support/console-server.ts'
import { aConsole } from '../support/console-world.ts'
import { aSetUpGateway, shopTools } from '../support/set-ups.ts'

const long = 'synchronise_every_warehouse_and_delete_what_is_not_listed_there_any_more_in_all_regions'

describe.skipIf(isBrowserMissing)('tools of servers', () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await openBrowser()
  })
  afterAll(() => browser?.close())

  test.each([
    ['light', 1280],
    ['dark', 1280],
    ['dark', 390],
    ['light', 390],
  ] as const)('a server is set up: %s, %i wide', async (colorScheme, width) => {
    const site = await aSetUpGateway()
    await site.saw('shop', [
      ...shopTools,
      {
        name: long,
        title: '모든 창고를 동기화하고 더 이상 없는 것은 모두 지웁니다',
        description: '되돌릴 수 없습니다.',
      },
    ])
    const world = await aConsole({ setUps: site.setUps })
    const served = await serveConsole(world)
    const { hostname: domain } = new URL(served.url)
    async function signedIn(person: typeof mina) {
      const { token } = await world.sessionOf(person)
      const opened = await openPage(browser, { colorScheme, viewport: { width, height: 900 } })
      await opened.page.context().addCookies([{ name: 'holdpoint', value: token, domain, path: '/' }])
      return opened
    }
    const shot = (name: string) => join(shotsDirectory, `${name}-${colorScheme}-${width}.png`)
    const { page, complaints, close } = await signedIn(mina)
    const isWithin = () => page.evaluate('document.documentElement.scrollWidth <= innerWidth')
    await page.goto(`${served.url}/`)
    await page.screenshot({ path: shot('queue-set-up'), fullPage: true })
    expect(await isWithin()).toBe(true)
    await page.goto(`${served.url}/set-up/wiki`)
    await page.screenshot({ path: shot('set-up-unknown'), fullPage: true })
    await page.goto(`${served.url}/`)
    await page.getByText('Set up shop').click()
    await page.getByText('The policy as a file').click()
    await page.screenshot({ path: shot('set-up'), fullPage: true })
    expect(await isWithin()).toBe(true)
    const others = await signedIn(owner)
    await others.page.goto(`${served.url}/set-up/shop`)
    expect(await others.page.getByRole('button', { name: 'Put it in force' }).count()).toBe(0)
    await others.close()
    await page.getByRole('button', { name: 'Put it in force' }).click()
    await page.getByText('shop is set up.').waitFor()
    await page.screenshot({ path: shot('set-up-done'), fullPage: true })
    expect(complaints).toEqual([])
    await close()
    await served.close()
  })

  test.each([
    ['light', 1280],
    ['dark', 1280],
    ['dark', 390],
    ['light', 390],
  ] as const)('tools that changed are looked at and accepted: %s, %i wide', async (colorScheme, width) => {
    const site = await aSetUpGateway()
    const text =
      'default: deny\nallow: [get_order]\nrules:\n  - { tools: "*", action: deny, reason: 아직은 시험만 합니다., shadow: true }\n'
    await site.ledger.revisions.putInForce(aRevision(text, { server: 'shop' }), null)
    await site.rules.refresh()
    await site.saw('shop', shopTools)
    const world = await aConsole({ setUps: site.setUps, toolReviews: site.toolReviews })
    const served = await serveConsole(world)
    const { token } = await world.sessionOf(mina)
    const { page, complaints, close } = await openPage(browser, {
      colorScheme,
      viewport: { width, height: 900 },
    })
    await page
      .context()
      .addCookies([{ name: 'holdpoint', value: token, domain: new URL(served.url).hostname, path: '/' }])
    const shot = (name: string) => join(shotsDirectory, `${name}-${colorScheme}-${width}.png`)
    const isWithin = () => page.evaluate('document.documentElement.scrollWidth <= innerWidth')
    await page.goto(`${served.url}/tools/shop`)
    await page.screenshot({ path: shot('tools-quiet'), fullPage: true })
    await site.saw('shop', [
      {
        ...shopTools[0],
        description: `Get one order. ${'아주 긴 설명입니다. '.repeat(20)}`,
        inputSchema: {
          type: 'object',
          properties: { path: { type: 'string', description: 'A file on this machine.' } },
        },
      },
      { name: long, title: '모든 창고', description: '되돌릴 수 없습니다.' },
    ])
    await page.goto(`${served.url}/`)
    await page.screenshot({ path: shot('queue-tools'), fullPage: true })
    await page.getByText('2 tools of shop changed or appeared').click()
    await page.screenshot({ path: shot('tools'), fullPage: true })
    expect(await isWithin()).toBe(true)
    await page.getByRole('link', { name: 'delete_order' }).click()
    await page.getByText('Attacks that use such access').waitFor()
    await page.screenshot({ path: shot('tool'), fullPage: true })
    expect(await isWithin()).toBe(true)
    await page.goto(`${served.url}/tools/shop/get_order`)
    await page.screenshot({ path: shot('tool-changed'), fullPage: true })
    expect(await isWithin()).toBe(true)
    await page.getByRole('button', { name: 'Accept it' }).click()
    await page.getByText('1 of 5 tools changed or appeared').waitFor()
    await page.goto(`${served.url}/tools`)
    await page.screenshot({ path: shot('tools-servers'), fullPage: true })
    expect(complaints).toEqual([])
    await close()
    await served.close()
  })
})
