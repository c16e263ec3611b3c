/** An edit in a terminal: each place with what the agent had asked for and what is proposed now. */
import type { Presented } from '../domain/present.ts'
import type { Colours } from './io.ts'

/** None where nobody edited it, or the edits were taken back. */
export function editLines({ edit }: Presented, { bold, dim, red, green }: Colours): string[] {
  if (edit === null || edit.changes.length === 0) return []
  return [
    bold('Edited'),
    ...edit.changes.flatMap(({ pointer, asked, proposed }) => [
      `  ${pointer}`,
      asked === null ? dim('    asked     (nothing)') : `    asked     ${red(asked)}`,
      proposed === null ? dim('    proposed  (nothing)') : `    proposed  ${green(proposed)}`,
    ]),
    ...(edit.isCut ? [dim('  … and in more places')] : []),
  ]
}
