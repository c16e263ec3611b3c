/** What became of a call, in a real browser: an edit beside what was asked, evidence, and the page of one's own agents. */
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isBrowserMissing, openBrowser, openPage, shotsDirectory } from '../support/browser.ts'
import { mina, owner } from '../support/builders.ts'
import { serveConsole } from '../support/console-server.ts'
import { aConsole } from '../support/console-world.ts'

describe.skipIf(isBrowserMissing)('after the question', () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await openBrowser()
  })
  afterAll(() => browser?.close())

  test.each([
    ['light', 1280],
    ['dark', 1280],
    ['dark', 390],
  ] as const)(
    'an edit, an unknown end and one’s own agents fit the page: %s, %i wide',
    async (colorScheme, width) => {
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
      const { page, complaints, close } = await signedIn(mina)
      const isWithin = () => page.evaluate('document.documentElement.scrollWidth <= innerWidth')

      const body = `${'안녕하세요. 회의는 오후 세 시에 시작합니다. '.repeat(30)}장소는 3층입니다.`
      const call = await world.add({
        tool: 'send_mail',
        args: { to: ['kim@example.com'], body, urgent: true },
      })
      await page.goto(`${served.url}/approvals/${call.id}`)
      await page.getByText('Change the arguments').click()
      const box = page.locator('#arguments')
      await box.fill((await box.inputValue()).replace('kim@', 'lee@').replace('3층', '5층'))
      await page.screenshot({ path: shot('edit-form'), fullPage: true })
      await page.getByRole('button', { name: 'Propose these' }).click()
      await page.getByRole('heading', { name: 'Edited' }).waitFor()
      expect(await page.locator('.changes').textContent()).toContain('/arguments/to/0')
      await page.screenshot({ path: shot('edited'), fullPage: true })
      expect(await isWithin()).toBe(true)

      const lost = await world.add({ tool: 'delete_repository' })
      const { digest } = lost.proposed
      const yes = {
        id: lost.id,
        person: mina,
        answer: 'approve',
        digest,
        reason: null,
        via: 'console',
      } as const
      await world.gateway.people.decide(yes)
      await world.loseTrack(lost.id)
      await world.ledger.keepEvidence(lost.id, JSON.stringify({ content: [{ type: 'text', text: body }] }))
      await page.goto(`${served.url}/approvals/${lost.id}`)
      await page.getByText('What came at').click()
      await page.getByText('Ask again', { exact: true }).first().click()
      await page.screenshot({ path: shot('evidence'), fullPage: true })
      expect(await isWithin()).toBe(true)
      await page.getByRole('button', { name: 'Ask again' }).click()
      await page.getByText('it may have been sent before, as').waitFor()
      expect(complaints).toEqual([])
      await close()

      const own = await signedIn(owner)
      await own.page.goto(`${served.url}/agents`)
      await own.page.screenshot({ path: shot('agents'), fullPage: true })
      await own.page.getByRole('button', { name: 'Mark them as seen' }).click()
      await own.page.getByText('You have seen how all of these ended.').waitFor()
      expect(own.complaints).toEqual([])
      await own.close()
      await served.close()
    },
  )
})
