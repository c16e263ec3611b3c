import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonical } from '../../src/domain/canonical.ts'
import { isVisibleJsonWithin, jsonMembers, visible, visibleJson } from '../../src/domain/visible.ts'

describe('visible', () => {
  test.each([
    ['ordinary text', 'Delete repository “holdpoint” (3 files) – 100 % & <b>', null],
    ['Korean, composed and decomposed', '로그아웃 NAVER WORKS \u1112\u1161\u11AB', null],
    ['Arabic, Thai and Hindi with their marks', 'مرحبًا ที่นี่ हिन्दी', null],
    ['emoji with colour and skin', '❤️ 👍🏽 🎉', null],
    ['an accent of its own', 'e\u0301', null],
    ['a joiner in emoji', '👩\u200D💻', '👩\\u{200D}💻'],
    ['a bidirectional override', 'pay \u202E001$', 'pay \\u{202E}001$'],
    ['an isolate', '\u2066x\u2069', '\\u{2066}x\\u{2069}'],
    ['zero width', 'rm\u200B\u2060\uFEFF', 'rm\\u{200B}\\u{2060}\\u{FEFF}'],
    ['a terminal escape', '\u001B[2J\u009B31m', '\\u{1B}[2J\\u{9B}31m'],
    ['line breaks', 'a\r\nb\tc\u2028d\u0085', 'a\\u{D}\\u{A}b\\u{9}c\\u{2028}d\\u{85}'],
    ['unusual spaces', 'a\u00A0b\u3000c', 'a\\u{A0}b\\u{3000}c'],
    ['blanks that are letters or symbols', '\u3164\u2800', '\\u{3164}\\u{2800}'],
    ['a lone surrogate', 'x\uD83D', 'x\\u{D83D}'],
    ['tags that spell hidden text', '\u{E0041}', '\\u{E0041}'],
    ['a hidden variation selector', 'a\uFE0F\u{E0100}', 'a\\u{FE0F}\\u{E0100}'],
    ['a stack of accents', `z${'\u0301'.repeat(6)}`, `z${'\u0301'.repeat(4)}\\u{301}\\u{301}`],
    ['an accent without a letter', '\u0301x', '\\u{301}x'],
    ['look-alikes inside a Latin word', 'p\u0430ypal', 'p\\u{430}ypal'],
    ['a word that is Cyrillic throughout', 'Привет', null],
    ['text that imitates a mark', '\\u{202E}', '\\u{5C}u{202E}'],
    ['a path with backslashes', 'C:\\users', null],
  ])('%s', (_name, text, expected) => {
    expect(visible(text)).toBe(expected ?? text)
  })

  test('what it shows holds nothing that moves, hides or drives a terminal, and different texts stay different', () => {
    const text = fc.string({ unit: 'binary', maxLength: 30 })
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(visible(a)).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u)
        expect(visible(a) === visible(b)).toBe(a === b)
      }),
    )
  })
})

describe('visibleJson', () => {
  test('lays out members as they stand and keeps the spelling of escapes and numbers', () => {
    const json = '{"10":[],"9":{},"a":{"b":[1,"x\\ny\\\\u{1}"],"c":1e+30},"к":"\\nПривет\u202E"}'
    expect(visibleJson(json)).toEqual([
      '{',
      '  "10": [],',
      '  "9": {},',
      '  "a": {',
      '    "b": [',
      '      1,',
      '      "x\\ny\\\\u{1}"',
      '    ],',
      '    "c": 1e+30',
      '  },',
      '  "к": "\\nПривет\\u{202E}"',
      '}',
    ])
  })

  test('loses nothing: without layout and marks it is the text again', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        const json = canonical(JSON.parse(JSON.stringify(value)))
        const shown = visibleJson(json).map((line) => line.trimStart())
        const marksAway = shown
          .join('')
          .replace(/\\u\{([0-9A-F]+)\}/g, (_mark, hex) => String.fromCodePoint(Number.parseInt(hex, 16)))
        expect(JSON.parse(marksAway)).toEqual(JSON.parse(json))
      }),
    )
  })

  test('megabytes in one string are shown whole', () => {
    const long = 'x'.repeat(3_000_000)
    expect(visibleJson(JSON.stringify({ long }))[1]).toHaveLength(long.length + 12)
  })

  test('a reply that is not canonical keeps its spelling, without its own layout', () => {
    expect(visibleJson('{ "a" :\n 1.0 }')).toEqual(['{', '  "a": 1.0', '}'])
  })
})

test('whether a layout is within a length is known without laying out more than that', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.integer({ min: -3, max: 3 }), (value, more) => {
      const json = canonical(JSON.parse(JSON.stringify(value)))
      const length = visibleJson(json).join('').length
      // A text that is longer than its layout (the blank of a text, say) may be refused for its own length.
      if (json.length > length + more) return
      expect(isVisibleJsonWithin(json, length + more)).toBe(more >= 0)
    }),
  )
  const startMs = performance.now()
  expect(isVisibleJsonWithin('['.repeat(100_000) + ']'.repeat(100_000), 250_000)).toBe(false)
  expect(performance.now() - startMs).toBeLessThan(5_000)
})

test('the members of an object are found whatever their values hold', () => {
  const json = '{"_meta":{"x":":,}"},"arguments":{"a":[{"b":1},"}"]},"empty":[],"na\\"me":"t"}'
  expect(jsonMembers(json)).toEqual([
    { name: '_meta', text: '{"x":":,}"}' },
    { name: 'arguments', text: '{"a":[{"b":1},"}"]}' },
    { name: 'empty', text: '[]' },
    { name: 'na"me', text: '"t"' },
  ])
  expect(jsonMembers('{}')).toEqual([])
})
