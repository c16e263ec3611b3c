/** A real Chromium. Where there is none: a failure in CI, a skipped test with a sentence on a newcomer's machine. */
import { existsSync, mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'

const executablePath = '/usr/bin/chromium'
const isInCi = (process.env.CI ?? '') !== ''
const isThere = existsSync(executablePath)

/** Where people can look at what the tests saw. */
export const shotsDirectory = join(tmpdir(), 'holdpoint-console')
mkdirSync(shotsDirectory, { recursive: true })

/** `describe.skipIf` takes it. */
export const isBrowserMissing = !isThere && !isInCi
if (isBrowserMissing) {
  process.stderr.write(
    `\nBrowser tests are skipped: there is no ${executablePath}. On Debian: apt-get install -y chromium\n`,
  )
}

export function openBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

export interface WatchedPage {
  readonly page: Page
  /** What the console said, scripts that failed, and what the content security policy stopped. */
  readonly complaints: readonly string[]
  close(): Promise<void>
}

/** A browser of its own, as another person's would be. */
export async function openPage(browser: Browser, options: BrowserContextOptions = {}): Promise<WatchedPage> {
  const context = await browser.newContext({ locale: 'en-GB', timezoneId: 'Asia/Seoul', ...options })
  // Only ends what hangs.
  context.setDefaultTimeout(60_000)
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(String(error)))
  await page.addInitScript({
    content: `addEventListener('securitypolicyviolation', (event) => {
      console.error('content security policy: ' + event.violatedDirective + ' ' + event.blockedURI)
    })`,
  })
  return { page, complaints, close: () => context.close() }
}
