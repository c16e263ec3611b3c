/** Whatever an agent sends, its card is one that Slack takes, and it offers a yes only where all of it stands in full. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type CardDeps, cardOf, presentStill } from '../../src/channels/slack/card.ts'
import { reviewPages } from '../../src/channels/slack/review-pages.ts'
import { pieces, slackLength } from '../../src/channels/slack/text.ts'
import type { Pending } from '../../src/domain/approval.ts'
import type { JsonObject } from '../../src/domain/canonical.ts'
import { canonicalParams } from '../../src/domain/tool-call.ts'
import { jsonMembers, visibleJson } from '../../src/domain/visible.ts'
import { anApproval, mina, owner } from '../support/builders.ts'
import { refuseMessage, refuseView } from '../support/slack/limits.ts'
import { buttonsOf, textAtAGlance, textOf } from '../support/slack/reader.ts'

const people = [mina, owner]
const deps: CardDeps = {
  key: Buffer.alloc(32, 7),
  directory: { people: () => people, person: (id) => people.find((one) => one.id === id) ?? null },
  startWithinMs: 60 * 60_000,
  publicUrl: null,
}
const NOW_MS = 1_800_000_000_000

function asking(args: JsonObject, change: Partial<Pending['asked']> = {}): Pending {
  const tool = change.tool ?? 'delete_repository'
  const call = { tool, arguments: args, canonicalParams: canonicalParams(tool, args, {}) }
  const { approval } = anApproval({ nowMs: NOW_MS, call })
  return { ...approval, asked: { ...approval.asked, ...change } }
}

function drawn(approval: Pending, more: Partial<CardDeps> = {}) {
  const card = cardOf({ approval, nowMs: NOW_MS, isRequesterWaiting: true }, { ...deps, ...more })
  const sent: unknown = JSON.parse(JSON.stringify(card.blocks))
  const blocks = Array.isArray(sent) ? sent : []
  expect(refuseMessage({ text: card.text, blocks, textMax: 4_000 })).toBeNull()
  return {
    text: textOf({ blocks, text: '' }),
    glance: textAtAGlance({ blocks, text: '' }),
    buttons: buttonsOf({ blocks }),
    blocks,
    fallback: card.text,
  }
}

const labels = (approval: Pending, more: Partial<CardDeps> = {}) =>
  drawn(approval, more).buttons.map(({ text }) => text)

function pagesOf(approval: Pending) {
  const pages = reviewPages(presentStill({ approval, nowMs: NOW_MS, isRequesterWaiting: true }, deps))?.pages
  for (const blocks of pages ?? []) {
    const title = { type: 'plain_text', text: 'Review' }
    expect(refuseView(JSON.parse(JSON.stringify({ type: 'modal', title, blocks })))).toBeNull()
  }
  return pages?.map((blocks) => textOf({ blocks: JSON.parse(JSON.stringify(blocks)), text: '' })) ?? null
}

/** What must be readable somewhere before anybody may say yes. */
const linesOf = (args: JsonObject) =>
  jsonMembers(canonicalParams('t', args, {}))
    .filter(({ name }) => name === 'arguments')
    .flatMap(({ text }) => visibleJson(text))
const packed = (text: string) => text.replaceAll(/\s/g, '')

describe('hostile arguments', () => {
  test.each<[string, JsonObject]>([
    ['markup', { text: '*bold* _it_ ~no~ `code` ```\n> <https://evil.example|bank> :bomb:' }],
    ['mentions', { text: '<!here> <!channel> @here <@U0BOT> <#C1> <!subteam^S1>' }],
    ['invisible and turning signs', { text: 'a\u202Egnp.exe\u200B\u2066x\u00A0\uFEFF' }],
    ['look-alikes', { url: 'https://аpple.com' }],
    ['500 line breaks', { text: '\n'.repeat(500) }],
    ['emoji made of many', { text: '👨‍👩‍👧‍👦👍🏽🏴󠁧󠁢󠁥󠁮󠁧󠁿'.repeat(20) }],
    ['signs that grow by escaping', { text: '&'.repeat(1_000) }],
  ])('%s are shown literally, in full and at a glance', (_what, args) => {
    const { text, glance, buttons, blocks } = drawn(asking(args))
    for (const line of linesOf(args)) expect(text).toContain(line)
    expect(glance).toBe(text)
    expect(buttons.map((one) => one.text)).toEqual(['Approve', 'Deny'])
    expect(JSON.stringify(blocks)).not.toContain('"mrkdwn"')
  })

  test.each([2_900, 3_001, 8_000, 13_200, 13_300, 200_000])(
    '%i characters are shown in full, or there is no yes on the card',
    (length) => {
      for (const sign of ['x', '&', '한', '\u202E']) {
        const args = { text: sign.repeat(length) }
        const approval = asking(args)
        const { text, buttons } = drawn(approval)
        const isWhole = packed(text).includes(packed(linesOf(args).join('')))
        const pages = pagesOf(approval)
        if (buttons.some((one) => one.text === 'Approve')) expect(isWhole).toBe(true)
        else if (pages !== null) {
          expect(buttons.map((one) => one.text)).toEqual(['Review…', 'Deny'])
          expect(packed(pages.join(''))).toContain(packed(linesOf(args).join('')))
        } else expect(buttons.map((one) => one.text)).toEqual(['Deny'])
      }
    },
  )

  test('what is too much even for a review is for the console, with a link only where there is an address', () => {
    const approval = asking({ text: 'x'.repeat(400_000) })
    expect(labels(approval)).toEqual(['Deny'])
    expect(drawn(approval).text).toContain('more than Slack can show')
    const publicUrl = new URL('https://holdpoint.example.com/base/')
    const [deny, link] = drawn(approval, { publicUrl }).buttons
    expect(deny?.text).toBe('Deny')
    expect(link?.url).toBe(`https://holdpoint.example.com/base/approvals/${approval.id}`)
  })

  test('hundreds of short lines are reviewed in pages', () => {
    const args = Object.fromEntries(Array.from({ length: 300 }, (_, at) => [`key${at}`, at]))
    expect(labels(asking(args))).toEqual(['Review…', 'Deny'])
    const pages = pagesOf(asking(args))?.join('\n') ?? ''
    for (const line of linesOf(args)) expect(pages).toContain(line)
  })

  test('a tool whose name is too long for a card has no yes on it', () => {
    const approval = asking({}, { tool: `delete_${'x'.repeat(2_000)}` })
    expect(labels(approval)).toEqual(['Review…', 'Deny'])
    expect(packed(pagesOf(approval)?.join('') ?? '')).toContain(`delete_${'x'.repeat(2_000)}`)
  })

  test('names are no markup in the notification, and arguments are not in it', () => {
    const { fallback } = drawn(asking({ secret: 'hunter2' }, { tool: '<!channel>', server: 'a&b' }))
    expect(fallback).toContain('&lt;!channel&gt; on a&amp;b')
    expect(fallback).not.toContain('hunter2')
  })

  test('any arguments at all: Slack takes the card, and a yes stands only beside everything', () => {
    const value = fc.letrec<{ any: unknown }>((tie) => ({
      any: fc.oneof(
        { maxDepth: 4 },
        fc.string({ unit: 'binary', maxLength: 400 }),
        fc.integer(),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie('any'), { maxLength: 20 }),
        fc.dictionary(
          fc.string({ maxLength: 30 }).filter((text) => text !== '__proto__'),
          tie('any'),
          { maxKeys: 20 },
        ),
      ),
    }))
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.string({ minLength: 1, maxLength: 20 }).filter((text) => text !== '__proto__'),
          value.any,
          { maxKeys: 20 },
        ),
        (made) => {
          const args: JsonObject = JSON.parse(JSON.stringify(made))
          const { text, buttons } = drawn(asking(args))
          const isWhole = linesOf(args).every((line) => text.includes(line))
          expect(buttons.some((one) => one.text === 'Approve')).toBe(
            isWhole && buttons.every((one) => one.text !== 'Review…'),
          )
        },
      ),
      { numRuns: 200 },
    )
  })
})

describe('pieces of a text', () => {
  test('are the text again, each within its limit and never inside what is one sign', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 300 }),
        fc.integer({ min: 20, max: 100 }),
        (text, max) => {
          const all = pieces(text, max)
          expect(all.join('')).toBe(text)
          for (const piece of all) {
            expect(Buffer.from(piece).toString()).toBe(piece)
            expect(slackLength(piece)).toBeLessThanOrEqual(Math.max(max, slackLength([...piece].join(''))))
          }
        },
      ),
    )
  })
})
