/** Two JSON texts side by side: where they differ, in the order of the first one, and never more than can be read. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonical } from '../../src/domain/canonical.ts'
import { DIFFERENCES_MAX, differencesOf } from '../../src/domain/difference.ts'

const rows: readonly (readonly [
  before: string,
  after: string,
  found: readonly (readonly [string, string | null, string | null])[],
])[] = [
  ['{"a":1}', '{"a":1}', []],
  ['{"a":1}', '{"a":2}', [['/a', '1', '2']]],
  ['{"a":1}', '{"a":"1"}', [['/a', '1', '"1"']]],
  ['{"a":{"b":[1,2]}}', '{"a":{"b":[1,3]}}', [['/a/b/1', '2', '3']]],
  ['{"a":[1]}', '{"a":[1,2]}', [['/a/1', null, '2']]],
  ['{"a":[1,2]}', '{"a":[1]}', [['/a/1', '2', null]]],
  ['{"a":[]}', '{"a":{}}', [['/a', '[]', '{}']]],
  ['{"a":null}', '{}', [['/a', 'null', null]]],
  [
    '{"a/b":1,"m~n":2}',
    '{"a/b":2,"m~n":3}',
    [
      ['/a~1b', '1', '2'],
      ['/m~0n', '2', '3'],
    ],
  ],
  ['{"__proto__":1}', '{"__proto__":2}', [['/__proto__', '1', '2']]],
  ['{"받는이":"김"}', '{"받는이":"이"}', [['/받는이', '"김"', '"이"']]],
  ['1', '2', [['', '1', '2']]],
]

test.each(rows)('%s and %s', (before, after, expected) => {
  const found = expected.map(([pointer, was, is]) => ({ pointer, before: was, after: is }))
  expect(differencesOf(before, after)).toEqual({ found, isCut: false })
})

describe('whatever the texts are', () => {
  const json = fc.jsonValue({ maxDepth: 4 }).map((value) => canonical(JSON.parse(JSON.stringify(value))))

  test('they differ in no place exactly when they are the same', () => {
    fc.assert(
      fc.property(json, json, (before, after) => {
        expect(differencesOf(before, after).found.length === 0).toBe(before === after)
      }),
    )
  })

  test('at most so many places are listed, and that there are more is said', () => {
    const many = (value: number) => JSON.stringify(Array.from({ length: 500 }, () => value))
    const { found, isCut } = differencesOf(many(1), many(2))
    expect(found).toHaveLength(DIFFERENCES_MAX)
    expect(isCut).toBe(true)
  })
})
