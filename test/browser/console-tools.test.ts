/** Setting a server up in a real browser: long and Korean names, light, dark and narrow. */
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isBrowserMissing, openBrowser, openPage, shotsDirectory } from '../support/browser.ts'
import { mina, owner } from '../support/builders.ts'
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
})
