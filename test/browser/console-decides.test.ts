import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  isBrowserMissing,
  openBrowser,
  openPage,
  shotsDirectory,
  type WatchedPage,
} from '../support/browser.ts'
import { mina, owner } from '../support/builders.ts'
import { serveConsole } from '../support/console-server.ts'
import { aConsole, type ConsoleWorld, type Wish } from '../support/console-world.ts'

const wait = { timeout: 60_000 }

const korean: Wish = {
  server: 'nworks',
  tool: 'nworks_mail_send',
  title: '메일 보내기',
  risk: 'high',
  args: {
    to: ['kim.mina@example.com', 'park.jun@example.com', 'partner@elsewhere.example'],
    subject: '3분기 정산 자료와 개인정보 처리 위탁 계약서 초안을 보내 드립니다',
    body: '안녕하세요, 김미나 님.\n\n지난 회의에서 말씀드린 3분기 정산 자료를 첨부합니다. '.repeat(12),
  },
  reason: '사내 밖으로 나가는 메일',
}
const hostile: Wish = {
  server: 'nworks',
  tool: 'nworks_message_send',
  title: '<img src=x onerror=alert(1)>',
  args: {
    text: '<script>alert(document.cookie)</script> "\' onload=alert(1) <b>bold</b> &amp; {{7*7}} \u0024{7*7}',
    bidi: 'file-\u202Egpj.exe and zero\u200Bwidth, pаypal.com',
    link: '[click](javascript:alert(1)) https://evil.example/@here <!here> <@U123>',
    'hx-get="/sign-out"': '" hx-trigger="load" x="',
    zalgo: 'z\u0300\u0301\u0302\u0303\u0304\u0305\u0306\u0307',
    emoji: '👩‍👩‍👧‍👦 done',
    lines: '\n'.repeat(30),
  },
  reason: '</p><script src=//evil.example></script>',
}

describe.skipIf(isBrowserMissing)('the console in a browser', () => {
  let browser: Browser
  let world: ConsoleWorld
  let server: Awaited<ReturnType<typeof serveConsole>>
  const open: WatchedPage[] = []

  beforeAll(async () => {
    browser = await openBrowser()
  })
  afterAll(() => browser?.close())
  beforeEach(async () => {
    world = await aConsole()
    server = await serveConsole(world)
  })
  afterEach(async () => {
    const complaints = open.flatMap((one) => one.complaints)
    for (const one of open.splice(0)) await one.close()
    await server.close()
    expect(complaints).toEqual([])
  })

  async function newPage(options: Parameters<typeof openPage>[1] = {}): Promise<Page> {
    const watched = await openPage(browser, options)
    open.push(watched)
    return watched.page
  }

  async function signedIn(person = mina, options: Parameters<typeof openPage>[1] = {}): Promise<Page> {
    const page = await newPage(options)
    await page.goto(`${server.url}/sign-in#${await world.codeOf(person)}`)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.waitForURL(`${server.url}/`)
    return page
  }

  const shot = (page: Page, name: string) =>
    page.screenshot({ path: join(shotsDirectory, `${name}.png`), fullPage: true })

  test('a link signs in once: the code leaves the address bar, and opening the link uses nothing up', async () => {
    const link = `${server.url}/sign-in#${await world.codeOf(mina)}`
    const preview = await newPage()
    await preview.goto(link)
    await shot(preview, 'sign-in')

    const page = await newPage()
    await page.goto(link)
    expect(page.url()).toBe(`${server.url}/sign-in`)
    // The button has the focus: Enter is enough.
    await page.keyboard.press('Enter')
    await page.waitForURL(`${server.url}/`)
    expect(await page.getByText('김미나').isVisible()).toBe(true)
    const [cookie] = await page.context().cookies()
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Strict', path: '/' })

    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.waitForURL(`${server.url}/sign-in`)
    expect(await page.context().cookies()).toEqual([])
  })

  test('what may be granted fits the narrowest phone', async () => {
    const mayDiffer = [
      { path: 'args.body', steps: ['body'], is: [{ op: 'length', is: [{ op: 'lte', value: 2_000 }] }] },
    ] as const
    const grants = { usesMax: 5, durationMsMax: 3_600_000, mayDiffer }
    const { id } = await world.add({ ...korean, asking: { grants } })
    const page = await signedIn(mina, { viewport: { width: 360, height: 740 } })
    await page.goto(`${server.url}/approvals/${id}`)
    await page.getByText('Approve, and allow more').click()
    await page.getByRole('button', { name: 'Approve and allow these' }).waitFor(wait)
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(360)
  })

  test('one of three yeses, with long names, in Korean, dark and narrow; then it is taken back', async () => {
    const long = `결제-최종-승인자-${'서울본사-재무운영-'.repeat(4)}팀`
    const stages = [
      { groups: ['ops', long], people: [], quorum: 3 },
      { groups: ['security'], people: ['park'], quorum: 1 },
    ]
    const approvers = { groups: ['ops', long, 'security'], people: ['park'], selfConfirm: false }
    const { id } = await world.add({ ...korean, asking: { stages, approvers, reasonRequired: true } })
    for (const colorScheme of ['light', 'dark'] as const) {
      const page = await signedIn(mina, { colorScheme, viewport: { width: 390, height: 844 } })
      await page.goto(`${server.url}/approvals/${id}`)
      if (colorScheme === 'light') {
        await page.getByLabel('Reason').first().fill('정산 담당자와 통화해서 확인함')
        await page.locator('#yes').click()
      }
      await page.getByText('1 of 3 approved (mina)').first().waitFor(wait)
      const width = await page.evaluate('document.documentElement.scrollWidth')
      expect(width).toBeLessThanOrEqual(390)
      await shot(page, `quorum-${colorScheme}`)
      await page.goto(server.url)
      await page.getByText('you said yes').waitFor(wait)
      await shot(page, `quorum-queue-${colorScheme}`)
      if (colorScheme === 'light') continue
      await page.goto(`${server.url}/approvals/${id}`)
      await page.getByRole('button', { name: 'Take my yes back' }).click()
      await page.getByText('0 of 3 approved').first().waitFor(wait)
    }
  })

  test('a call whose rule changes under the reader: the page says so and leads to the new ticket and back', async () => {
    const { id } = await world.add({ args: { name: 'acme/shop', note: '지울 저장소' } })
    const page = await signedIn(mina, { colorScheme: 'dark' })
    await page.goto(`${server.url}/approvals/${id}`)
    const reason = `${'되돌릴 수 없는 삭제이므로 보안팀이 함께 확인합니다. '.repeat(6)}`
    await world.putInForce(`require_approval: { delete_repository: ${JSON.stringify(reason)} }`)
    await world.gateway.rejudge(id)
    await page.getByText('People are asked again').first().waitFor(wait)
    await shot(page, 'void, dark')
    await page.locator('.neighbours a').click()
    await page.getByText('Asked before as').waitFor(wait)
    expect(page.url()).not.toContain(id)
    await page.getByText('what was said about that one does not count here').waitFor(wait)
    await shot(page, 'asked again, dark')
    await page.locator('.neighbours a').click()
    await page.waitForURL(`**/approvals/${id}`)
  })

  test('the queue fills and empties by itself, and its number stands in the title', async () => {
    const page = await signedIn()
    await page.getByText('All quiet').waitFor(wait)
    await shot(page, 'empty')
    expect(await page.title()).toBe('Nothing waits · Holdpoint')

    const { id } = await world.add()
    await page.getByText('delete_repository').waitFor(wait)
    await expect.poll(() => page.title(), wait).toBe('(1) Waiting · Holdpoint')
    expect(await page.getByRole('status').textContent()).toBe('1 call waits.')

    await world.gateway.decide(id, 'reject')
    await page.getByText('All quiet').waitFor(wait)
    await expect.poll(() => page.title(), wait).toBe('Nothing waits · Holdpoint')
  })

  test('a person reads everything, writes a reason, approves, and sees what is true then', async () => {
    const { id, proposed } = await world.add(korean)
    const page = await signedIn()
    await page.getByRole('link', { name: /nworks_mail_send/ }).click()
    await page.getByRole('heading', { level: 1, name: /메일 보내기/ }).waitFor(wait)
    await expect.poll(() => page.locator('pre').innerText(), wait).toContain('partner@elsewhere.example')
    expect(await page.locator('#decide').innerText()).toContain(proposed.digest)
    await shot(page, 'approval-korean')

    await page.getByLabel('Reason').first().fill('계약서 확인함')
    await page.getByRole('button', { name: 'Approve' }).click()
    await page.getByText('Approved by mina: “계약서 확인함”').waitFor(wait)
    expect(await page.getByRole('button', { name: 'Approve' }).count()).toBe(0)
    const reading = await world.ledger.get(id)
    expect(reading?.approval).toMatchObject({ status: 'approved', decision: { via: 'console', by: 'mina' } })
    await shot(page, 'approved')
  })

  test('what was decided elsewhere shows at once, and the buttons go', async () => {
    const { id } = await world.add()
    const page = await signedIn()
    await page.goto(`${server.url}/approvals/${id}`)
    await page.getByLabel('Reason').first().fill('half a thought')
    await world.gateway.decide(id, 'reject')
    await page.getByText('Denied by mina. Nothing was sent.').first().waitFor(wait)
    expect(await page.locator('#yes, #no').count()).toBe(0)
  })

  test('a reason half written survives that the agent leaves', async () => {
    const { id } = await world.add()
    await world.ledger.addWaiter(id, 'gateway-1')
    const page = await signedIn()
    await page.goto(`${server.url}/approvals/${id}`)
    await page.getByText('it runs at once, exactly as shown').waitFor(wait)
    await page.getByLabel('Reason').first().fill('half a thought')
    await world.ledger.dropLease('gateway-1')
    await world.wakeUps.announce(id)
    await page.getByText('it runs when the agent returns').waitFor(wait)
    expect(await page.getByLabel('Reason').first().inputValue()).toBe('half a thought')
    expect(await page.evaluate('document.activeElement.id')).toBe('reason')
  })

  test('a link from another site leads to the page, although the cookie is strict', async () => {
    const { id } = await world.add()
    const page = await signedIn()
    // Another host name is another site for a browser.
    await page.route('http://elsewhere.example/', (route) =>
      route.fulfill({
        contentType: 'text/html',
        body: `<a href="${server.url}/approvals/${id}">look</a>`,
      }),
    )
    await page.goto('http://elsewhere.example/')
    await page.getByText('look').click()
    await page.getByRole('heading', { name: 'delete_repository' }).waitFor(wait)
    const at = open.findIndex((one) => one.page === page)
    // The browser tells the console about the page in between, which has no session: that is how it is meant.
    const between = open[at]?.complaints.filter((text) => text.includes('401')).length ?? 0
    expect(between).toBeLessThanOrEqual(1)
    await open.splice(at, 1)[0]?.close()
  })

  test('the keyboard is enough, and no single key decides', async () => {
    await world.add({ tool: 'first_call' })
    const { id } = await world.add({ tool: 'second_call' })
    const page = await signedIn()
    await page.getByText('first_call').waitFor(wait)
    await page.keyboard.press('j')
    expect(await page.evaluate('document.activeElement.textContent')).toContain('second_call')
    await page.keyboard.press('j')
    expect(await page.evaluate('document.activeElement.textContent')).toContain('first_call')
    await page.keyboard.press('k')
    await shot(page, 'queue-focus')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'second_call' }).waitFor(wait)

    await page.keyboard.press('a')
    expect(await page.evaluate('document.activeElement.id')).toBe('yes')
    // A critical call is asked about once more, and Enter alone does not answer that.
    await page.keyboard.press('Enter')
    await page.keyboard.press('Enter')
    await page.keyboard.press('Enter')
    expect(await page.getByRole('button', { name: 'Approve this critical call' }).isVisible()).toBe(true)
    await page.keyboard.press('d')
    expect(await page.evaluate('document.activeElement.id')).toBe('no')
    await shot(page, 'approval-focus')
    expect((await world.ledger.get(id))?.approval.status).toBe('pending')
    await page.keyboard.press('Enter')
    await page.getByText('Denied by mina').first().waitFor(wait)

    await page.keyboard.press('q')
    await page.waitForURL(`${server.url}/`)
    await page.keyboard.press('?')
    expect(await page.getByText('go to Deny; then Enter says it').isVisible()).toBe(true)
  })

  test('a call that arrives does not take the focus from the one somebody is at', async () => {
    await world.add({ tool: 'first_call' })
    const page = await signedIn()
    await page.getByText('first_call').waitFor(wait)
    await page.keyboard.press('j')
    await world.add({ tool: 'second_call' })
    await page.getByText('second_call').waitFor(wait)
    expect(await page.evaluate('document.activeElement.textContent')).toContain('first_call')
  })

  test('without scripts a person signs in, reads and decides all the same', async () => {
    const { id } = await world.add()
    const page = await newPage({ javaScriptEnabled: false })
    await page.goto(`${server.url}/approvals/${id}`)
    await page.getByLabel('Your one-time code').fill(await world.codeOf(mina))
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.waitForURL(`${server.url}/approvals/${id}`)
    await page.getByText('Approve…').click()
    await shot(page, 'sure')
    await page.getByRole('button', { name: 'Approve this critical call' }).click()
    await page.getByText('Approved by mina').first().waitFor(wait)
    expect((await world.ledger.get(id))?.approval.status).toBe('approved')
    // The browser notes that the first page came with 401; that page asks for the code.
    const [watched] = open.splice(0)
    expect(watched?.complaints.filter((text) => !text.includes('401'))).toEqual([])
    await watched?.close()
  })

  test('a stale page says what is true, and decides nothing', async () => {
    const { id } = await world.add()
    const page = await newPage({ javaScriptEnabled: false })
    await page.goto(`${server.url}/sign-in`)
    await page.getByLabel('Your one-time code').fill(await world.codeOf(mina))
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.goto(`${server.url}/approvals/${id}`)
    await world.gateway.decide(id, 'reject')
    await page.getByText('Approve…').click()
    await page.getByRole('button', { name: 'Approve this critical call' }).click()
    await page.getByText('Nothing was changed.').waitFor(wait)
    await shot(page, 'stale')
    const [watched] = open.splice(0)
    expect(watched?.complaints.filter((text) => !text.includes('409'))).toEqual([])
    await watched?.close()
  })

  test('the first Tab leads past the navigation', async () => {
    const page = await signedIn()
    await page.keyboard.press('Tab')
    expect(await page.evaluate('document.activeElement.textContent')).toContain('Skip to the content')
    await page.keyboard.press('Enter')
    expect(await page.evaluate('document.activeElement.id')).toBe('main')
  })

  test('what is too large is saved instead, and can be denied', async () => {
    const { id } = await world.add({ args: { rows: Array.from({ length: 200_000 }, (_, row) => row) } })
    const page = await signedIn()
    await page.goto(`${server.url}/approvals/${id}`)
    await page.getByText('Too large to be shown here', { exact: true }).waitFor(wait)
    await shot(page, 'too-large')
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Save them as a file' }).click(),
    ])
    expect(download.suggestedFilename()).toBe(`${id}.json`)
    await page.getByRole('button', { name: 'Deny' }).click()
    await page.getByText('Denied by mina').first().waitFor(wait)
  })

  test('hostile text stays text', async () => {
    const { id } = await world.add(hostile)
    const page = await signedIn()
    const dialogs: string[] = []
    page.on('dialog', (dialog) => {
      dialogs.push(dialog.message())
      void dialog.dismiss()
    })
    await page.getByText('<img src=x onerror=alert(1)>').waitFor(wait)
    await page.goto(`${server.url}/approvals/${id}`)
    const shown = await page.locator('pre').innerText()
    expect(shown).toContain('<script>alert(document.cookie)</script>')
    expect(shown).toContain('\\u{202E}')
    expect(shown).toContain('zero\\u{200B}width')
    expect(shown).toContain('p\\u{430}ypal.com')
    expect(await page.locator('main img, main script, main [onload], pre a').count()).toBe(0)
    await shot(page, 'approval-hostile')
    expect(dialogs).toEqual([])
  })

  test.each(['light', 'dark'] as const)('a full queue and a phone, %s', async (colorScheme) => {
    await world.add({ tool: 'nworks_task_update', server: 'nworks', risk: 'low', title: '할 일 수정' })
    await world.add(korean)
    await world.add({ tool: 'create_refund', server: 'payments', risk: 'medium', args: { amount: 12_000 } })
    await world.add(hostile)
    await world.add({ decisionMs: 9 * 60_000, requester: { name: 'day-agent', owner: 'mina' } })
    world.advance(2 * 60_000)
    const page = await signedIn(mina, { colorScheme })
    await page.getByText('5 calls wait.').waitFor(wait)
    await shot(page, `queue-${colorScheme}`)

    const phone = await signedIn(mina, {
      colorScheme,
      viewport: { width: 375, height: 740 },
      isMobile: true,
      hasTouch: true,
      deviceScaleFactor: 2,
    })
    await phone.getByText('5 calls wait.').waitFor(wait)
    await shot(phone, `phone-queue-${colorScheme}`)
    await phone.getByRole('link', { name: /nworks_mail_send/ }).tap()
    await phone.getByRole('heading', { level: 1 }).waitFor(wait)
    await shot(phone, `phone-approval-${colorScheme}`)
    // Nothing reaches beyond the screen.
    expect(await phone.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(375)
    for (const name of ['Approve', 'Deny']) {
      const box = await phone.getByRole('button', { name }).boundingBox()
      expect(box?.height).toBeGreaterThanOrEqual(44)
    }
    await phone.getByRole('link', { name: 'To the decision' }).tap()
    await phone.getByRole('button', { name: 'Deny' }).tap()
    await phone.getByText('Denied by mina').first().waitFor(wait)
  })

  test('an unknown end stands out in the history until a person has looked', async () => {
    const { id, proposed } = await world.add()
    await world.gateway.people.decide({
      id,
      person: mina,
      answer: 'approve',
      digest: proposed.digest,
      reason: null,
      via: 'console',
    })
    await world.loseTrack(id)
    const denied = await world.add({ tool: 'create_refund', risk: 'medium' })
    await world.gateway.decide(denied.id, 'reject')
    const page = await signedIn()
    await page.getByRole('link', { name: 'History' }).click()
    await page.getByText('Unknown end: needs a look').waitFor(wait)
    await shot(page, 'history')
    await page.getByText('Say what happened').click()
    await page.getByLabel('It did not happen').check()
    await page.getByLabel('Note').fill('the repository is still there')
    await shot(page, 'history-annotate')
    await page.getByRole('button', { name: 'Say so' }).click()
    await page.getByText('it did not happen: “the repository is still there”').first().waitFor(wait)
    await shot(page, 'annotated')
  })

  test('an owner is told why they cannot approve', async () => {
    const { id } = await world.add()
    const page = await signedIn(owner)
    await page.goto(`${server.url}/approvals/${id}`)
    await page.getByText('You answer for the agent that asks').waitFor(wait)
    expect(await page.locator('#yes, #no').count()).toBe(0)
    await shot(page, 'withheld')
    await page.getByText('Withdraw it').click()
    await page.getByRole('button', { name: 'Withdraw' }).click()
    await page.getByText('Withdrawn by jun').first().waitFor(wait)
  })
})
