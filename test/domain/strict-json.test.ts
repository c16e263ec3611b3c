/** JSON that two parsers could read differently is refused; everything else passes as it is. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonical } from '../../src/domain/canonical.ts'
import { type JsonFaultReason, parseStrictJson } from '../../src/domain/strict-json.ts'

const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`

const refused: [string, string, JsonFaultReason, RegExp][] = [
  ['a duplicate key', '{"name":"a","name":"b"}', 'duplicate_key', /duplicate key 'name' at byte 12/],
  ['a duplicate spelled with an escape', '{"name":1,"n\\u0061me":2}', 'duplicate_key', /'name' at byte 10/],
  ['a duplicate deep inside', '{"a":[{"b":{"c":1,"c":2}}]}', 'duplicate_key', /'c' at byte 18/],
  ['a byte position behind wide characters', '{"한글":1,"한글":2}', 'duplicate_key', /at byte 12/],
  ['__proto__', '{"a":{"__proto__":{}}}', 'forbidden_key', /'__proto__' at byte 6/],
  ['__proto__ spelled with an escape', '{"\\u005f_proto__":1}', 'forbidden_key', /__proto__/],
  ['constructor', '{"constructor":1}', 'forbidden_key', /constructor/],
  ['prototype', '{"prototype":1}', 'forbidden_key', /prototype/],
  ['1e400', '{"a":1e400}', 'number_out_of_range', /1e400 at byte 5; send it as a string/],
  ['-1e400', '[-1e400]', 'number_out_of_range', /-1e400 at byte 1/],
  ['2^53', '[9007199254740992]', 'inexact_number', /9007199254740992 exactly at byte 1/],
  ['-(2^53+1)', '[-9007199254740993]', 'inexact_number', /send it as a string/],
  ['an integer written as a decimal', '[9007199254740993.0]', 'inexact_number', /exactly/],
  ['an integer written with an exponent', '[9007199254740993e0]', 'inexact_number', /exactly/],
  ['a lone high surrogate', '["\\ud800"]', 'lone_surrogate', /unpaired surrogate .* byte 1/],
  ['a lone low surrogate in a key', '{"\\udc00":1}', 'lone_surrogate', /unpaired surrogate/],
  ['65 levels', nested(65), 'too_deep', /deeper than 64 at byte 64/],
  ['two million levels', nested(2_000_000), 'too_deep', /deeper than 64/],
  ['objects two hundred thousand deep', '{"a":'.repeat(200_000), 'too_deep', /deeper than 64/],
  ['a raw NUL in a string', '["\u0000"]', 'syntax', /not valid JSON/],
  ['a raw line break in a string', '["\n"]', 'syntax', /not valid JSON/],
  ['a raw NUL between tokens', '[1,\u00002]', 'syntax', /not valid JSON/],
  ['comments', '{"a":1 /* "b":2 */}', 'syntax', /not valid JSON/],
  ['a line comment', '{} // x', 'syntax', /not valid JSON/],
  ['a trailing comma', '{"a":1,}', 'syntax', /not valid JSON/],
  ['nothing', '', 'syntax', /not valid JSON/],
  ['two values', '{} {}', 'syntax', /not valid JSON/],
  ...['NaN', 'Infinity', '-Infinity', '0x10', '01', '+1', '.5', '1.', "'a'", 'undefined', '-'].map(
    (text): [string, string, JsonFaultReason, RegExp] => [text, `[${text}]`, 'syntax', /not valid JSON/],
  ),
]

const accepted = [
  'null',
  '"x"',
  '[-0,1.0,1E2,0.1,1e-400,5e-324]',
  '[9007199254740991,-9007199254740991]',
  '[1e20,1e23,-1.5e300,123456789012345680000.0,1.0e+20]',
  '["\\u0000","\\ud83d\\ude00","😀","\\u2028"]',
  '{"a":{"x":1},"b":{"x":1},"A":1}',
  '[{"x":1},{"x":1}]',
  '{"a":"__proto__","b":["constructor","a","a"]}',
  '{"":1," ":2}',
  ' \r\n\t{"a" : [ ] }\n',
  nested(64),
]

describe('strict JSON', () => {
  it.each(refused)('refuses %s', (_, text, reason, message) => {
    const parsed = parseStrictJson(text, 'whole')
    expect(parsed).toMatchObject({ ok: false, error: { reason, message: expect.stringMatching(message) } })
  })

  it.each(accepted)('accepts %s', (text) => {
    expect(parseStrictJson(text, 'whole')).toEqual({ ok: true, value: JSON.parse(text) })
  })

  it('answers about a hostile text without delay', () => {
    const startMs = performance.now()
    parseStrictJson(nested(2_000_000), 'whole')
    parseStrictJson('{"a":'.repeat(800_000), 'envelope')
    expect(performance.now() - startMs).toBeLessThan(5_000)
  })

  it('never prints control characters or surrogates of a key', () => {
    const parsed = parseStrictJson('{"\\u0007a":1,"\\u0007a":2}', 'whole')
    expect(parsed).toMatchObject({ ok: false, error: { message: expect.stringContaining("'\uFFFDa'") } })
  })

  describe('of an envelope', () => {
    it.each([
      ['{"method":"ping","m\\u0065thod":"tools/call"}', 'duplicate_key'],
      ['{"method":"x","params":{"name":1,"name":2}}', 'duplicate_key'],
      [nested(65), 'too_deep'],
      ['{', 'syntax'],
    ])('refuses %s', (text, reason) => {
      expect(parseStrictJson(text, 'envelope')).toMatchObject({ ok: false, error: { reason } })
    })

    it('does not judge what merely passes through', () => {
      const text = '{"result":{"content":{"a":1,"a":12345678901234567890,"__proto__":"\\ud800"}}}'
      expect(parseStrictJson(text, 'envelope')).toMatchObject({ ok: true })
    })
  })

  it('accepts what JSON.stringify writes, with the same value, and its canonical form again', () => {
    const unsafe = (value: unknown): boolean =>
      typeof value === 'number'
        ? Math.abs(value) > Number.MAX_SAFE_INTEGER
        : typeof value === 'object' &&
          value !== null &&
          Object.entries(value).some(([key, member]) => key === '__proto__' || unsafe(member))
    fc.assert(
      fc.property(
        fc.jsonValue({ maxDepth: 8 }).filter((value) => !unsafe(value)),
        (value) => {
          const text = JSON.stringify(value)
          const parsed = parseStrictJson(text, 'whole')
          if (!parsed.ok) throw new Error(parsed.error.message)
          expect(parsed.value).toEqual(JSON.parse(text))
          expect(parseStrictJson(canonical(parsed.value), 'whole').ok).toBe(true)
        },
      ),
    )
  })

  it('finds the place behind millions of blanks, at once', () => {
    const text = `{${' \n\r\t'.repeat(1_000_000)}"a":1,"a" \t: 2 }`
    const startMs = performance.now()
    const parsed = parseStrictJson(text, 'whole')
    // Character by character it took 400 ms.
    expect(performance.now() - startMs).toBeLessThan(5_000)
    expect(parsed).toMatchObject({ ok: false, error: { reason: 'duplicate_key', atByte: 4_000_007 } })
  })

  it('looks at no more than it may', () => {
    const tokens = (count: number) => `[${'0,'.repeat(count / 2 - 2)}0 ]`
    expect(parseStrictJson(tokens(200_000), 'envelope')).toMatchObject({ ok: true })
    expect(parseStrictJson(tokens(200_004), 'envelope')).toMatchObject({
      ok: false,
      error: { reason: 'too_many_tokens', message: expect.stringContaining('send less') },
    })
  })

  it('accepts no text that JSON.parse refuses', () => {
    const alphabet = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"a"',
      '"b"',
      '1',
      '-',
      'e',
      '.',
      ' ',
      '//',
      'null',
    )
    fc.assert(
      fc.property(fc.array(alphabet, { maxLength: 12 }), (parts) => {
        const text = parts.join('')
        const parsed = parseStrictJson(text, 'whole')
        if (parsed.ok) expect(JSON.parse(text)).toEqual(parsed.value)
      }),
      { numRuns: 2_000 },
    )
  })
})
