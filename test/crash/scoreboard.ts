/** What a run comes to, for people: how much was tried, what was broken (nothing may be), how long the others took. */
import type { Broken, Harm } from '../support/promises.ts'

export interface Score {
  readonly title: string
  /** What was done, by name. */
  readonly counts: Readonly<Record<string, number>>
  readonly outcomes: readonly string[]
  readonly broken: readonly Broken[]
  /** By what was measured. */
  readonly spreadsMs: ReadonlyMap<string, readonly number[]>
  readonly seed: number
  readonly tookMs: number
}

const harms: readonly Harm[] = [
  'lost',
  'double',
  'unapproved',
  'false "not sent"',
  'untrue',
  'wrong recipient',
  'audit',
  'card',
]

export function scoreboard(score: Score): string {
  const { title, counts, outcomes, broken, spreadsMs, seed, tookMs } = score
  const row = (name: string, value: string | number) => `  ${name.padEnd(18)} ${value}`
  return [
    '',
    title,
    ...Object.entries(counts).map(([what, count]) => row(what, count)),
    row('outcomes', counted(outcomes)),
    ...harms.map((harm) => row(harm, broken.filter((one) => one.harm === harm).length)),
    ...[...spreadsMs].map(([what, all]) => row(what, spread(all))),
    row('took', `${Math.round(tookMs / 1_000)} s`),
    row('seed', seed),
    '',
  ].join('\n')
}

const counted = (all: readonly string[]) =>
  [...new Set(all)]
    .sort()
    .map((one) => `${one} ${all.filter((other) => other === one).length}`)
    .join(', ')

const seconds = (ms: number) => (ms / 1_000).toFixed(1)

export function spread(all: readonly number[]): string {
  if (all.length === 0) return 'never'
  const sorted = [...all].sort((a, b) => a - b)
  const half = sorted[Math.floor((sorted.length - 1) / 2)] ?? 0
  return `p50 ${seconds(half)} s, max ${seconds(sorted.at(-1) ?? 0)} s (${all.length})`
}
