/** An older Node.js is named in one sentence, before anything it cannot load is loaded. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { tooOld } from '../../src/node-version.ts'

const root = resolve(import.meta.dirname, '../..')

test.each([
  ['16.20.2', 'Holdpoint needs Node 20.19 or later; this is 16.20.2.'],
  ['18.0.0', 'Holdpoint needs Node 20.19 or later; this is 18.0.0.'],
  ['20.18.3', 'Holdpoint needs Node 20.19 or later; this is 20.18.3.'],
  ['20.19.0', null],
  ['22.1.0', null],
])('%s', (version, complaint) => {
  expect(tooOld(version)).toBe(complaint)
})

test('says what package.json says', () => {
  expect(readFileSync(`${root}/package.json`, 'utf8')).toContain('"node": ">=20.19"')
})

test.each(['main', 'cli'])('%s loads nothing else before it has asked', (entry) => {
  const text = readFileSync(`${root}/src/${entry}.ts`, 'utf8')
  expect([...text.matchAll(/^import .*'(.*)'/gm)].map((match) => match[1])).toEqual(['./node-version.ts'])
})
