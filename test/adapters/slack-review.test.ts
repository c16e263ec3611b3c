/** A yes in a review stands only behind all of its pages, whatever happens to the approval while somebody reads. */
import { beforeEach, describe, expect, test } from 'vitest'
import type { CardDeps } from '../../src/channels/slack/card.ts'
import { createClicks } from '../../src/channels/slack/clicks.ts'
import { parseReviewed, type Reviewed } from '../../src/channels/slack/place.ts'
import { createReview, PAGE_BACK, PAGE_ON } from '../../src/channels/slack/review.ts'
import { seal } from '../../src/channels/slack/seal.ts'
import type { Pending } from '../../src/domain/approval.ts'
import type { JsonObject } from '../../src/domain/canonical.ts'
import { err, ok } from '../../src/domain/result.ts'
import { canonicalParams } from '../../src/domain/tool-call.ts'
import { clock } from '../../src/launch/clock.ts'
import { silentLog } from '../../src/launch/log.ts'
import { anApproval, mina, owner } from '../support/builders.ts'
import { textOf } from '../support/slack/reader.ts'

const NOW_MS = 1_800_000_000_000
const place = { app: 'A1', channel: 'C1', ts: '1.1' }
const account = { team: 'T1', user: 'U1' }
const people = [mina, owner]
const deps: CardDeps = {
  key: Buffer.alloc(32, 7),
  directory: { people: () => people, person: (id) => people.find((one) => one.id === id) ?? null },
  startWithinMs: 60 * 60_000,
  publicUrl: null,
}

/** What the ledger holds, and what becomes of a yes. */
let stored: Pending
let nowMs: number
let isWaiting: boolean
let yeses: number
beforeEach(() => {
  nowMs = NOW_MS
  isWaiting = true
  yeses = 0
})

function asked(args: JsonObject): Pending {
  const call = { arguments: args, canonicalParams: canonicalParams('delete_repository', args, {}) }
  stored = anApproval({ nowMs: NOW_MS, call }).approval
  return stored
}

const ledger = {
  get: async () => ({ approval: stored, nowMs }),
  waitingNodes: async () => (isWaiting ? ['gateway-1'] : []),
}
const clicksDeps: Parameters<typeof createClicks>[0] = {
  key: deps.key,
  channel: 'slack',
  ledger,
  cards: { approvalAt: async () => stored.id },
  accounts: { person: async () => ok(mina), member: async (member) => ok(member) },
  people: {
    async decide() {
      yeses++
      return ok(stored)
    },
    askAgain: async () => ok(stored),
    takeBack: async () => ok(stored),
  },
  grants: { end: async () => err({ reason: 'not_found' }) },
  retire() {},
  clock,
  log: silentLog,
}
const clicks = createClicks(clicksDeps)
const review = createReview({ ...deps, clicks, ledger })

interface Page {
  readonly text: string
  readonly at: Reviewed | null
  readonly hasYes: boolean
}

type View = ReturnType<typeof review.told>

const read = (view: View): Page => ({
  text: textOf({ blocks: JSON.parse(JSON.stringify(view.blocks)), text: '' }),
  at: parseReviewed(view.private_metadata ?? ''),
  hasYes: view.submit !== undefined,
})

async function opened(): Promise<Page> {
  const { id, version, proposed } = stored
  const value = seal(deps.key, 'review', { id, version, digest: proposed.digest })
  const view = await review.open({ account, place, value })
  if (!view.ok) throw new Error(view.error)
  return read(view.value)
}

async function turned({ at }: Page, action = PAGE_ON, by = account) {
  if (at === null) throw new Error('no page')
  const view = { id: 'V1', hash: 'h', app: place.app, at }
  return review.turn({ account: by, view, action, value: at.value })
}

async function next(page: Page, action = PAGE_ON): Promise<Page> {
  const view = await turned(page, action)
  if (!view.ok) throw new Error(view.error)
  return read(view.value)
}

const submitted = async (at: Reviewed | null, by = account) => {
  if (at === null) throw new Error('no page')
  const view = { id: 'V1', hash: 'h', app: place.app, at }
  const answer = await review.submit({ account: by, view, reason: null })
  return 'errors' in answer ? JSON.stringify(answer.errors) : read(answer).text
}

const parts = (first: number) => ({
  a: 'A'.repeat(first),
  b: 'B'.repeat(2_880),
  c: `NEEDLE${'C'.repeat(2_870)}`,
  d: 'D'.repeat(2_880),
  e: 'E'.repeat(2_880),
})

describe('a review', () => {
  test('shows every part once, though the agent comes and goes between its pages', {
    timeout: 180_000,
  }, async () => {
    // With these lengths a sentence more on the first page once moved a part to the page before.
    for (let first = 100; first < 2_880; first += 40) {
      asked(parts(first))
      for (const begins of [true, false]) {
        isWaiting = begins
        nowMs = NOW_MS
        let page = await opened()
        let seen = page.text
        while (!page.hasYes) {
          isWaiting = !isWaiting
          nowMs += 1_000
          page = await next(page)
          seen += page.text
        }
        expect(seen.split('NEEDLE')).toHaveLength(2)
        for (const [sign, count] of [
          ['A', first],
          ['B', 2_880],
          ['D', 2_880],
          ['E', 2_880],
        ] as const)
          expect(seen).toContain(sign.repeat(count))
      }
    }
  })

  test('begins what would be sent on a page of its own', async () => {
    asked(parts(100))
    const first = await opened()
    expect(first.text).toContain('A yes now')
    expect(first.text).not.toContain('Arguments')
    expect((await next(first)).text).toContain('Arguments')
  })

  test('leads back and on again, and its yes counts', async () => {
    asked(parts(100))
    const second = await next(await opened())
    const first = await next(second, PAGE_BACK)
    expect(first.at?.page).toBe(1)
    let page = first
    while (!page.hasYes) page = await next(page)
    expect(await submitted(page.at)).toContain('Your yes')
    expect(yeses).toBe(1)
  })

  test('whose pages are not those it began with says so and takes no yes', async () => {
    asked(parts(100))
    const first = await opened()
    let last = first
    while (!last.hasYes) last = await next(last)
    // Nothing that the digest covers: only what is said about the call.
    stored = { ...stored, asking: { ...stored.asking, reason: 'a reason that nobody has read' } }
    expect(await submitted(last.at)).toContain('Begin again')
    expect(await turned(first)).toMatchObject({ ok: false, error: expect.stringContaining('Begin again') })
    expect(yeses).toBe(0)
  })

  test('takes no yes with a page number, a layout or a seal of another page or person', async () => {
    asked(parts(100))
    const first = await opened()
    let before = first
    let last = first
    while (!last.hasYes) {
      before = last
      last = await next(last)
    }
    if (last.at === null || before.at === null || first.at === null) throw new Error('no page')
    const forged: readonly Reviewed[] = [
      first.at,
      before.at,
      { ...first.at, page: last.at.page },
      { ...before.at, page: last.at.page },
      { ...last.at, layout: '0'.repeat(64) },
    ]
    for (const at of forged) expect(await submitted(at)).toContain('Nothing was decided')
    expect(await submitted(last.at, { team: 'T1', user: 'U2' })).toContain('Nothing was decided')
    expect(await turned(before, PAGE_ON, { team: 'T1', user: 'U2' })).toMatchObject({ ok: false })
    expect(await turned({ ...first, at: { ...first.at, page: last.at.page - 1 } })).toMatchObject({
      ok: false,
    })
    expect(await turned(first, PAGE_BACK)).toMatchObject({ ok: false })
    expect(await turned(last)).toMatchObject({ ok: false })
    expect(yeses).toBe(0)
    expect(await submitted(last.at)).toContain('Your yes')
  })

  describe('with what the rule had read', () => {
    const said = (text: string, label = '환불 상태') => ({
      ...{ label, tool: 'get_refund_state', arguments: '{"charge":"ch_1"}', atMs: NOW_MS },
      found: {
        ...{ kind: 'answer' as const, isError: false, text, isCut: false },
        ...{ bytes: text.length, digest: 'a'.repeat(64) },
      },
    })
    async function all(): Promise<readonly Page[]> {
      const pages = [await opened()]
      for (let page = pages[0]; page !== undefined && !page.hasYes; ) {
        page = await next(page)
        pages.push(page)
      }
      return pages
    }

    test('ends with it for those who may decide, each part under its name, and the yes behind it', async () => {
      asked({ charge: 'ch_1' })
      stored = { ...stored, lookups: [said('환불: 0원 / 100원'), said('x'.repeat(4_000), 'long')] }
      const pages = await all()
      const last = pages.at(-1)
      expect(last?.text).toContain('Evidence, 환불 상태')
      expect(last?.text).toContain('환불: 0원 / 100원')
      expect(last?.text).toContain('text of the server; no part of what is approved')
      expect(pages.map(({ text }) => text).join('')).toContain('(goes on)')
      expect(pages.slice(0, -1).every(({ text }) => !text.includes('환불: 0원'))).toBe(true)
      expect(await submitted(last?.at ?? null)).toContain('Your yes')
    })

    test('has none of it for somebody who may not decide', async () => {
      asked({ charge: 'ch_1' })
      stored = { ...stored, lookups: [said('SECRET')] }
      const guest = { id: 'guest', name: 'Guest', groups: [] }
      const others = createReview({
        ...deps,
        clicks: createClicks({
          ...clicksDeps,
          accounts: { person: async () => ok(guest), member: async (member) => ok(member) },
        }),
        ledger,
      })
      const { id, version, proposed } = stored
      const value = seal(deps.key, 'review', { id, version, digest: proposed.digest })
      let seen = ''
      let view = await others.open({ account, place, value })
      for (let turns = 0; view.ok && turns < 5; turns++) {
        const page = read(view.value)
        seen += page.text
        expect(page.hasYes).toBe(false)
        if (page.at === null) throw new Error('no page')
        view = await others.turn({
          ...{ account, action: PAGE_ON, value: page.at.value },
          view: { id: 'V1', hash: 'h', app: place.app, at: page.at },
        })
      }
      expect(seen).toContain('ch_1')
      expect(seen).not.toContain('SECRET')
    })

    test('begins again when it arrives meanwhile, and gives way to what would be sent', async () => {
      asked({ charge: 'ch_1' })
      stored = { ...stored, lookups: null }
      const last = (await all()).at(-1)
      stored = { ...stored, lookups: [said('refunded: 100')] }
      expect(await submitted(last?.at ?? null)).toContain('Begin again')
      asked({ text: 'y'.repeat(58_000), more: '&'.repeat(2_000) })
      const without = (await all()).length
      stored = { ...stored, lookups: [1, 2, 3].map(() => said('&<>'.repeat(1_300))) }
      const pages = await all()
      expect(pages.length).toBeLessThanOrEqual(28)
      expect(pages.length).toBeGreaterThanOrEqual(without)
      expect(yeses).toBe(0)
    })

    test('whatever the server says, pages are such as Slack takes, with nothing of it as markup', async () => {
      for (const text of [
        '<!channel> *bold* <https://x.example|y>',
        '\u202E\u0000\n\n',
        '😀'.repeat(2_000),
        '',
      ]) {
        asked({ charge: 'ch_1' })
        stored = { ...stored, lookups: [said(text, text.slice(0, 80))] }
        for (const page of await all()) expect(page.text.length).toBeLessThan(13_000)
      }
    })
  })

  test('is not opened or turned by the seal of a card’s yes', async () => {
    const { id, version, proposed } = asked(parts(100))
    const value = seal(deps.key, 'approve', { id, version, digest: proposed.digest })
    expect(await review.open({ account, place, value })).toMatchObject({ ok: false })
  })
})
