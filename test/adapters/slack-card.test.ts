/** Whatever an agent sends, its card is one that Slack takes, and it offers a yes only where all of it stands in full. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type CardDeps, cardOf } from '../../src/channels/slack/card.ts'
import { reviewPages } from '../../src/channels/slack/review-pages.ts'
import { stillOf } from '../../src/channels/slack/still.ts'
import { cut, pieces, slackLength } from '../../src/channels/slack/text.ts'
import type { Approval, Pending } from '../../src/domain/approval.ts'
import type { JsonObject, JsonValue } from '../../src/domain/canonical.ts'
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
  const card = cardOf(
    { approval, nowMs: NOW_MS, isRequesterWaiting: true, grant: null },
    { ...deps, ...more },
  )
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
  const pages = reviewPages(
    stillOf({ approval, nowMs: NOW_MS, isRequesterWaiting: true, grant: null }, deps),
    {
      withLookups: false,
    },
  )?.pages
  for (const blocks of pages ?? []) {
    const title = { type: 'plain_text', text: 'Review' }
    expect(refuseView(JSON.parse(JSON.stringify({ type: 'modal', title, blocks })))).toBeNull()
  }
  return pages?.map((blocks) => textOf({ blocks: JSON.parse(JSON.stringify(blocks)), text: '' })) ?? null
}

/** `[[[…]]]`, this deep. */
function nested(depth: number, inner: JsonValue = 1): JsonValue {
  let value = inner
  for (let level = 0; level < depth; level++) value = [value]
  return value
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

  test.each<[string, JsonObject]>([
    ['4 MiB in one text', { text: 'x'.repeat(4 * 1024 * 1024) }],
    ['256 KiB of signs that are shown as marks', { text: '\u202E'.repeat(80_000) }],
    ['brackets a thousand deep', { a: nested(1_000) }],
    [
      'a deep array of many',
      {
        a: nested(
          60,
          Array.from({ length: 20_000 }, () => 1),
        ),
      },
    ],
    ['marks, just below what is laid out', { text: '\u202E'.repeat(30_000) }],
    ['ordinary text, just below what is laid out', { text: 'word '.repeat(13_000) }],
  ])('%s: no yes on the card, and it is drawn without holding up the gateway', (_what, args) => {
    const approval = asking(args)
    const startMs = performance.now()
    const card = cardOf({ approval, nowMs: NOW_MS, isRequesterWaiting: true, grant: null }, deps)
    // Laid out as a whole it would take minutes.
    expect(performance.now() - startMs).toBeLessThan(10_000)
    expect(JSON.stringify(card).length).toBeLessThan(20_000)
    const { text, buttons } = drawn(approval)
    expect(text).toMatch(/this is only the beginning of \d+ bytes/)
    expect(text).toContain('…')
    expect(text).toContain('delete_repository')
    expect(buttons.map((one) => one.text)).not.toContain('Approve')
    expect(buttons.at(-1)?.text).toBe('Deny')
  })

  test('a call of any size is told about without buttons once it is over', () => {
    const approval = { ...asking({ a: nested(1_000) }), expiresAtMs: NOW_MS }
    expect(drawn(approval).buttons).toEqual([])
    expect(drawn(approval).text).toContain('Too late to decide')
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

  test.each([
    ['emoji modifiers', '\u{1F3FD}'],
    ['accents', '\u0301'],
    ['letters with accents', 'e\u0301'],
    ['signs that grow by escaping', '&'],
    ['marks of an instant', '\uE000'],
  ])('an endless run of %s is cut like any other text', (_what, sign) => {
    const text = sign.repeat(5_000)
    expect(pieces(text, 100).join('')).toBe(text)
    for (const piece of pieces(text, 100)) expect(slackLength(piece)).toBeLessThanOrEqual(100)
    for (let max = 1; max < 60; max++) {
      const { text: begin, isWhole } = cut(text, max)
      expect(slackLength(begin)).toBeLessThanOrEqual(max)
      expect([isWhole, begin.endsWith('…')]).toEqual([false, true])
    }
  })

  test('any text is cut to what it may be', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 300 }),
        fc.integer({ min: 1, max: 100 }),
        (text, max) => {
          expect(slackLength(cut(text, max).text)).toBeLessThanOrEqual(max)
        },
      ),
    )
  })

  test('a tool with a name of emoji modifiers has a card that Slack takes', () => {
    expect(labels(asking({}, { tool: `x${'\u{1F3FD}'.repeat(3_000)}` }))).toEqual(['Review…', 'Deny'])
  })
})

describe('an edited call', () => {
  const edited = (asked: JsonObject, proposed: JsonObject, reason: string | null = null): Pending => {
    const approval = asking(proposed)
    const { canonicalParams: text, digest } = asking(asked).proposed
    const replaced = { canonicalParams: text, digest }
    return { ...approval, edits: [{ by: 'mina', via: 'console', reason, atMs: NOW_MS, replaced }] }
  }

  test('shows asked beside proposed, and who changed it', () => {
    const { glance, buttons } = drawn(edited({ to: '김' }, { to: '이' }, 'to the other one'))
    for (const text of ['Edited: by mina', 'to the other one', '/arguments/to', '− "김"', '+ "이"'])
      expect(glance).toContain(text)
    expect(buttons.map(({ text }) => text)).toContain('Approve')
  })

  test('whatever was changed, and however much: Slack takes the card', () => {
    const json = fc.dictionary(fc.string({ maxLength: 30 }), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 60 })
    fc.assert(
      fc.property(json, json, fc.string({ maxLength: 1_000 }), (asked, proposed, reason) => {
        const clean = (value: unknown): JsonObject =>
          JSON.parse(JSON.stringify(value).replaceAll(/\\ud[89a-f]../gi, 'x'))
        drawn(edited(clean(asked), clean(proposed), reason))
      }),
      { numRuns: 100 },
    )
  })
})

describe('a call whose rule changed while it waited', () => {
  const successor = anApproval({ nowMs: NOW_MS }).approval
  const change = 'the rule changed: approvers: 운영팀 → security, 운영팀'
  const earlier = asking({ name: 'acme/shop' })
  const { status: _status, ...header } = earlier
  const settled: Approval = {
    ...header,
    status: 'settled',
    settledAtMs: NOW_MS,
    outcome: { kind: 'invalidated', change, successor: successor.id, forbidden: false },
  }

  test('the void card says where it goes on, and leads there', () => {
    const publicUrl = new URL('https://holdpoint.example.com/')
    const card = cardOf(
      { approval: settled, nowMs: NOW_MS, isRequesterWaiting: false, grant: null },
      { ...deps, publicUrl },
    )
    const sent: unknown = JSON.parse(JSON.stringify(card.blocks))
    const blocks = Array.isArray(sent) ? sent : []
    expect(refuseMessage({ text: card.text, blocks, textMax: 4_000 })).toBeNull()
    expect(textOf({ blocks, text: '' })).toContain(`People are asked again: ${successor.id}`)
    expect(JSON.stringify(blocks)).toContain(`https://holdpoint.example.com/approvals/${successor.id}`)
  })

  test('the card of its successor says what is different, and that nothing said before counts', () => {
    const { text, buttons } = drawn({
      ...successor,
      predecessor: { id: earlier.id, difference: change, why: 'rule_changed' },
    })
    expect(text).toContain(`while ${earlier.id} was open`)
    expect(text).toContain('security, 운영팀')
    expect(buttons.map(({ text: word }) => word)).toContain('Approve')
  })
})

describe('what the rule had read', () => {
  const answered = (text: string, label = '환불 상태') => ({
    label,
    tool: 'get_refund_state',
    arguments: '{"charge":"ch_1"}',
    atMs: NOW_MS,
    found: {
      kind: 'answer',
      isError: false,
      text,
      isCut: false,
      bytes: text.length,
      digest: 'a'.repeat(64),
    } as const,
  })
  const failed = {
    ...answered(''),
    label: null,
    found: { kind: 'none', reason: 'the policy does not allow get_refund_state' } as const,
  }
  const withLookups = (lookups: Pending['lookups'], args: JsonObject = { charge: 'ch_1' }): Pending => ({
    ...asking(args),
    lookups,
  })

  test('is for those who may read it: the card, which the whole channel sees, says only that it was read', () => {
    const { text, blocks } = drawn(withLookups([answered('{"refunded":0,"of":100}'), failed], { a: 1 }))
    expect(text).toContain('Evidence, 환불 상태')
    expect(text).toContain('read ')
    expect(text).toContain('not read (the policy does not allow get_refund_state)')
    expect(text).toMatch(/npx holdpoint approvals show HP-\w+, for those who may decide/)
    for (const secret of ['refunded', 'ch_1', '"of"']) expect(JSON.stringify(blocks)).not.toContain(secret)
    expect(labels(withLookups([answered('x'), failed]))).toEqual(['Approve', 'Evidence…', 'Deny'])
    expect(labels(withLookups([failed]))).toEqual(['Approve', 'Deny'])
    expect(drawn(withLookups(null)).text).toContain('It is being read; nothing has to wait for it.')
  })

  test('gives way to what would be sent, and never takes the yes away', () => {
    const large = [1, 2, 3].map(() => answered('', '&<>'.repeat(100)))
    const drawnAt = [10, 4_000, 8_000, 8_800, 9_000, 9_200, 9_400, 9_600].map((length) => {
      const approval = withLookups(large, { text: 'x'.repeat(length) })
      expect(labels(approval).filter((label) => label !== 'Evidence…')).toEqual(
        labels({ ...approval, lookups: [] }),
      )
      return drawn(approval).text
    })
    expect(drawnAt.some((text) => text.includes('there is no room for it here'))).toBe(true)
    expect(drawnAt[0]).not.toContain('there is no room for it here')
  })

  test('whatever the server says, it is a card that Slack takes', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 4_000 }), { maxLength: 3 }), (texts) => {
        drawn(withLookups(texts.map((text) => answered(text, text.slice(0, 80)))))
      }),
      { numRuns: 200 },
    )
  })
})
