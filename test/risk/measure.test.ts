/** How well the classifier does on real tools. Prints the numbers that `docs/risk.md` shows, and holds them to each other. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { sha256 } from '../../src/domain/canonical.ts'
import { categories, risks } from '../../src/domain/risk.ts'
import { labelled, measured, parts, serversOf } from './labelled.ts'

const rank = (risk: (typeof risks)[number]) => risks.indexOf(risk)

test('at least 400 real tools are labelled, a part of them from servers that were never tuned for', () => {
  expect(parts.flatMap((part) => labelled(part)).length).toBeGreaterThanOrEqual(400)
  expect(labelled('held-out').length).toBeGreaterThanOrEqual(200)
  const tuned = [...serversOf('tuning'), ...serversOf('seen')]
  expect(serversOf('held-out').filter((server) => tuned.includes(server))).toEqual([])
})

test.each(parts)('no destructive and no financial tool is called low (%s)', (part) => {
  const grave = labelled(part).filter(({ label }) => ['destructive', 'financial'].includes(label.category))
  expect(grave.length).toBeGreaterThan(20)
  expect(grave.filter(({ found }) => found.risk === 'low').map(({ name }) => name)).toEqual([])
  // Nor would a policy that lets all reading pass let one of them pass.
  expect(grave.filter(({ found }) => found.category === 'read').map(({ name }) => name)).toEqual([])
})

test.each(parts)('nothing that changes, runs or pays is called reading (%s)', (part) => {
  const wrong = labelled(part).filter(
    ({ label, found }) => label.category !== 'read' && found.category === 'read',
  )
  expect(wrong.map(({ name }) => name)).toEqual([])
})

test.each(parts)('few tools are rated milder than a person rated them (%s)', (part) => {
  const all = labelled(part)
  const milder = all.filter(({ label, found }) => rank(found.risk) < rank(label.risk))
  console.log(`${part}: ${milder.length} of ${all.length} milder`, milder.map(({ name }) => name).join(' '))
  // Of servers that no rule was written for, more are.
  expect(milder.length / all.length).toBeLessThan(part === 'held-out' ? 0.06 : 0.02)
})

test.each(parts)('every disagreement with the labels is written down, with its reason (%s)', (part) => {
  const file = join(import.meta.dirname, 'disagreements.json')
  const written = z
    .record(z.enum([...parts, 'labellers']), z.record(z.string(), z.string().min(20)))
    .parse(JSON.parse(readFileSync(file, 'utf8')))
  const found = labelled(part).filter(({ label, found }) => label.category !== found.category)
  expect(found.map(({ name }) => name).sort()).toEqual(Object.keys(written[part]).sort())
})

test('the numbers in the documentation are these', () => {
  const rows = parts.flatMap((part) => measured(part))
  console.log(rows.join('\n'))
  const page = readFileSync(join(import.meta.dirname, '../../docs/risk.md'), 'utf8')
  const shown = page.split('\n').filter((line) => /^\| (?:tuning|seen|held-out) +\|/.test(line))
  expect(shown.map((line) => line.replace(/ +/g, ' '))).toEqual(rows)
})

test('a second labeller read a random sample without the labels; where the two differ is written down', () => {
  const read = (name: string): unknown => JSON.parse(readFileSync(join(import.meta.dirname, name), 'utf8'))
  const second = z.record(z.string(), z.enum(categories)).parse(read('second-labels.json'))
  const names = Object.keys(second)
  const all = parts.flatMap((part) => labelled(part)).filter(({ name }) => !isLater(name))
  // Drawn by a digest, so that nobody chose them.
  const drawn = all
    .map(({ name }) => name)
    .sort((a, b) => (drawOf(a) < drawOf(b) ? -1 : 1))
    .slice(0, names.length)
  expect(names.length).toBeGreaterThanOrEqual(150)
  expect(names.sort()).toEqual(drawn.sort())
  const firsts = new Map(all.map(({ name, label }) => [name, label.category]))
  const differing = names.filter((name) => firsts.get(name) !== second[name])
  const { labellers } = z
    .looseObject({ labellers: z.record(z.string(), z.string().min(20)) })
    .parse(read('disagreements.json'))
  expect(differing.sort()).toEqual(Object.keys(labellers).sort())
  const agreed = names.length - differing.length
  // Cohen's kappa: how much of the agreement is more than chance.
  const share = (labels: readonly (string | undefined)[], category: string) =>
    labels.filter((one) => one === category).length / names.length
  const chance = categories
    .map(
      (category) =>
        share(
          names.map((name) => firsts.get(name)),
          category,
        ) * share(Object.values(second), category),
    )
    .reduce((sum, each) => sum + each, 0)
  const kappa = (agreed / names.length - chance) / (1 - chance)
  const page = readFileSync(join(import.meta.dirname, 'README.md'), 'utf8')
  expect(page).toContain(
    `agreed on ${agreed} of ${names.length} categories (Cohen's kappa ${kappa.toFixed(2)})`,
  )
})

/** Servers that were labelled after the sample was drawn. */
const later =
  `argocd ccxt chrome-devtools commands datadog discord ea-playwright elasticsearch jenkins just-bash mobile n8n neon
  paddle quickbooks salesforce selenium todoist woocommerce`.split(/\s+/)
const isLater = (name: string) => later.some((server) => name.startsWith(`${server}.`))

const drawOf = (name: string) => sha256(`second labelling ${name}`)
