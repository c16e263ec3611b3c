/** Every trap has proofs that exist, and every test of this room proves one of them. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { traps } from './traps.ts'

const textOf = (file: string) => readFileSync(join(import.meta.dirname, '..', file), 'utf8')

const titlesIn = (file: string): string[] =>
  [
    ...textOf(file).matchAll(
      /^\s*(?:\]\s*(?:as const)?\)|(?:test|it)(?:\.each\([^`]*?\))?|\)?)\(\s*['"`](.+?)['"`],? *(?:async|\(|$)/gm,
    ),
  ].flatMap(([, title]) => title ?? [])

test.each(traps.map((each) => [each.trap, each.proofs] as const))('%s: its proofs exist', (_trap, proofs) => {
  expect(Object.keys(proofs).length).toBeGreaterThan(0)
  // A title may stand in a table of cases.
  for (const [file, titles] of Object.entries(proofs))
    for (const title of titles)
      expect(
        ["'", '"', '`'].some((quote) => textOf(file).includes(quote + title + quote)),
        `${file}: ${title}`,
      ).toBe(true)
})

test.each(['traps/streams.test.ts', 'traps/sessions.test.ts'])('every test in %s proves a trap', (file) => {
  const named = traps.flatMap(({ proofs }) => proofs[file] ?? [])
  expect(titlesIn(file).toSorted()).toEqual(named.toSorted())
})
