/** Which change of a tool passes with a notice, which waits for a person, and how the difference reads. */
import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/domain/canonical.ts'
import { diffOf, driftOf, type SeenTool, seenTool, worseFacts } from '../../src/domain/risk/drift.ts'
import { unknownTool } from '../../src/domain/risk.ts'

const seen = (tool: JsonObject): SeenTool => {
  const made = seenTool(tool)
  if (made === null) throw new Error('it can be pinned')
  return made
}
const page = {
  name: 'get_page',
  description: 'Get a page',
  inputSchema: { properties: { id: { type: 'string' } } },
}

describe('drift', () => {
  test.each<[string, JsonObject, JsonObject, string]>([
    ['nothing', page, { ...page }, 'same'],
    ['what does not define it', page, { ...page, _meta: { v: 2 }, icons: [] }, 'same'],
    [
      'the words about a tool that only reads',
      page,
      { ...page, description: 'Get one page', title: 'Page' },
      'words',
    ],
    ['the words, so that it looks worse', page, { ...page, description: 'Delete a page' }, 'grave'],
    ['the schema', page, { ...page, inputSchema: { properties: { id: {}, url: {} } } }, 'grave'],
    [
      'the words about an argument',
      page,
      { ...page, inputSchema: { properties: { id: { type: 'string', description: 'x' } } } },
      'grave',
    ],
    ['a hint', page, { ...page, annotations: { readOnlyHint: true } }, 'grave'],
    [
      'the words about a tool that deletes',
      { ...page, name: 'delete_page' },
      { ...page, name: 'delete_page', description: 'Deletes it' },
      'grave',
    ],
  ])('of %s', (_what, before, after, expected) => {
    expect(driftOf(seen(before), seen(after))).toBe(expected)
  })

  test('what cannot be pinned is not seen', () => {
    expect(seenTool({ description: 'no name' })).toBeNull()
    expect(seenTool({ name: 'a b' })).toBeNull()
    expect(seenTool({ name: 'x', description: '\ud800' })).toBeNull()
    expect(seenTool({ name: 'x', description: 'y'.repeat(300_000) })).toBeNull()
  })
})

test('while a change waits, the worse of both counts, and of what nobody knows the worst', () => {
  const [reads, deletes] = [seen(page), seen({ ...page, description: 'Delete a page' })]
  expect(worseFacts(reads, deletes)).toEqual({ category: 'destructive', risk: 'critical' })
  expect(worseFacts(reads, unknownTool)).toEqual(unknownTool)
})

test('the difference names each member that is new, gone or other', () => {
  const after = {
    ...page,
    description: 'Get one page',
    inputSchema: { properties: { url: { type: 'string' } } },
  }
  expect(diffOf(seen(page).text, seen(after).text)).toEqual({
    isComplete: true,
    lines: [
      { path: 'description', before: 'Get a page', after: 'Get one page' },
      { path: 'inputSchema.properties.id.type', before: 'string', after: null },
      { path: 'inputSchema.properties.url.type', before: null, after: 'string' },
    ],
  })
  expect(diffOf(null, seen(page).text).lines.map(({ path }) => path)).toContain('name')
  const large = {
    ...page,
    inputSchema: {
      properties: Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`p${at}`, { type: 'string' }])),
    },
  }
  expect(diffOf(null, seen(large).text)).toMatchObject({ isComplete: false })
})
