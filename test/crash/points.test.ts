/** What is written about each step is what is tried there. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { points } from './points.ts'

test('every step stands in docs/if-this-dies-here.md, in the words of its point', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/if-this-dies-here.md'), 'utf8')
  expect(
    points.filter(({ name, remains, goesOn }) => !page.includes(`| ${name} | ${remains} | ${goesOn} |`)),
  ).toEqual([])
})
