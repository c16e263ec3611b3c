/** The one table that the run prints. */
import type { Trial } from './trial.ts'

const head = [
  'client',
  'version',
  'revision',
  'states the name',
  'own limit',
  'waits by',
  'over the wire',
  'waited',
  'ran',
  '',
]

export function rows(trials: readonly Trial[]): string {
  const cells = trials.map(
    ({ client, revision, statedName, way, traffic, waitedMs, executed, complaints }) => [
      client.name,
      client.version,
      revision,
      statedName,
      `${client.limitMs / 1_000} s: ${client.limit}`,
      way ?? '?',
      traffic,
      waitedMs === null ? '?' : `${(waitedMs / 1_000).toFixed(1)} s`,
      String(executed),
      complaints.length === 0 ? 'ok' : 'FAILED',
    ],
  )
  const widths = head.map((title, column) =>
    Math.max(title.length, ...cells.map((row) => row[column]?.length ?? 0)),
  )
  return [head, ...cells]
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
