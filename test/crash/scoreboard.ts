/** What a run comes to, for people: how much was tried, what was broken (nothing may be), how long the others took. */
import type { Broken, Harm } from '../support/promises.ts'

export interface Score {
  readonly title: string
  readonly trials: number
  readonly calls: number
  readonly outcomes: readonly string[]
  readonly broken: readonly Broken[]
  /** By what died. */
  readonly recoveriesMs: ReadonlyMap<string, readonly number[]>
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
  const { title, trials, calls, outcomes, broken, recoveriesMs, seed, tookMs } = score
  const row = (name: string, value: string | number) => `  ${name.padEnd(18)} ${value}`
  return [
    '',
    title,
    row('trials', trials),
    row('calls', calls),
    row('outcomes', counted(outcomes)),
    ...harms.map((harm) => row(harm, broken.filter((one) => one.harm === harm).length)),
    ...[...recoveriesMs].map(([what, all]) => row(`back after (${what})`.slice(0, 40), spread(all))),
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
