/** A person connects an account in a real browser, whose cookie stays at home while it comes back from another site. */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { err, ok, type Result } from '../../src/domain/result.ts'
import type { Returned } from '../../src/ports/accounts.ts'
import {
  isBrowserMissing,
  openBrowser,
  openPage,
  shotsDirectory,
  type WatchedPage,
} from '../support/browser.ts'
import { mina } from '../support/builders.ts'
import { serveConsole } from '../support/console-server.ts'
import { aConsole, type ConsoleWorld } from '../support/console-world.ts'

describe.skipIf(isBrowserMissing)('accounts in a browser', () => {
  let browser: Browser
  let world: ConsoleWorld
  let server: Awaited<ReturnType<typeof serveConsole>>
  let elsewhere: Server
  let elsewherePort = 0
  let finished: { returned: Returned; person: string }[]
  let answer: Result<string, string>
  const connected = new Map<string, number>()
  const open: WatchedPage[] = []

  beforeAll(async () => {
    browser = await openBrowser()
    // Another site for a browser: it goes by names, not by addresses.
    elsewhere = createServer((request, response) => {
      response.writeHead(200, { 'content-type': 'text/html' })
      const back = `${server.url}/oauth/callback?code=c&state=s&iss=http%3A%2F%2Fas.test`
      response.end(request.url === '/favicon.ico' ? '' : `<title>AS</title><a href="${back}">Allow</a>`)
    })
    elsewhere.listen(0)
    await once(elsewhere, 'listening')
    const address = elsewhere.address()
    elsewherePort = address === null || typeof address === 'string' ? 0 : address.port
  })
  afterAll(async () => {
    await browser?.close()
    elsewhere?.closeAllConnections()
    elsewhere?.close()
  })
  beforeEach(async () => {
    finished = []
    connected.clear()
    answer = ok('crm')
    world = await aConsole({
      accounts: {
        servers: ['crm', 'a-server-with-a-name-as-long-as-names-of-servers-may-ever-become'],
        of: async () =>
          ['crm', 'a-server-with-a-name-as-long-as-names-of-servers-may-ever-become'].map((name) => ({
            server: name,
            connectedAtMs: connected.get(name) ?? null,
          })),
        begin: async (name) =>
          name === 'crm'
            ? ok(new URL(`http://localhost:${elsewherePort}/authorize?state=s&resource=x`))
            : err(
                `The authorization server of ${name} cannot be used: 인증 서버가 응답하지 않습니다. ${'x'.repeat(300)}`,
              ),
        async finish(returned, person) {
          finished.push({ returned, person })
          if (answer.ok) connected.set(answer.value, Date.UTC(2026, 10, 22, 9))
          return answer
        },
        disconnect: async (name) => connected.delete(name),
      },
    })
    server = await serveConsole(world)
  })
  afterEach(async () => {
    const complaints = open.flatMap((one) => one.complaints)
    for (const one of open.splice(0)) await one.close()
    await server.close()
    // A page that says no has a status that says no, which browsers note.
    expect(complaints.filter((text) => !/status of (401|403|502)/.test(text))).toEqual([])
  })

  async function signedIn(options: Parameters<typeof openPage>[1] = {}): Promise<Page> {
    const watched = await openPage(browser, options)
    open.push(watched)
    const { page } = watched
    await page.goto(`${server.url}/sign-in#${await world.codeOf(mina)}`)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.waitForURL(`${server.url}/`)
    return page
  }

  const shot = (page: Page, name: string) =>
    page.screenshot({ path: join(shotsDirectory, `accounts-${name}.png`), fullPage: true })

  test('there and back: one sees where one goes, and comes back as oneself', async () => {
    const page = await signedIn()
    await page.getByRole('link', { name: 'Accounts' }).click()
    await page.waitForURL(`${server.url}/accounts`)
    await shot(page, 'none')
    await page.locator('#crm').getByRole('button', { name: 'Connect' }).click()
    expect(await page.getByRole('heading').textContent()).toContain(`localhost:${elsewherePort}`)
    await shot(page, 'leave')
    await page.getByRole('link', { name: 'Continue at' }).click()
    await page.getByRole('link', { name: 'Allow' }).click()
    await page.getByText('is connected').waitFor()
    expect(finished).toEqual([
      { returned: { state: 's', code: 'c', iss: 'http://as.test', error: null }, person: 'mina' },
    ])
    await shot(page, 'connected')
    await page.locator('#crm').getByRole('button', { name: 'Disconnect' }).click()
    await page.getByText('is disconnected').waitFor()
    expect(connected.size).toBe(0)
  })

  test('what does not work is said, also in the dark and on a phone', async () => {
    const page = await signedIn({ colorScheme: 'dark', viewport: { width: 390, height: 800 } })
    await page.goto(`${server.url}/accounts`)
    await page.getByRole('button', { name: 'Connect' }).last().click()
    await page.getByText('인증 서버가').waitFor()
    await shot(page, 'failed')
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(390)
    answer = err(
      'This was not begun by you, was finished already, or took longer than ten minutes. Begin again.',
    )
    await page.goto(`${server.url}/oauth/callback?state=x`)
    await page.getByText('not begun by you').waitFor()
  })
})
