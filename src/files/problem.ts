/** What is wrong with a file or a setting, where, and what to do about it. Problems are collected, never thrown one by one. */

export interface Problem {
  /** File name as people know it, or `environment`. */
  readonly file: string
  readonly line: number | null
  readonly column: number | null
  /** JSON Pointer (RFC 6901) of the place, or the name of an environment variable. */
  readonly path: string
  readonly message: string
  readonly remedy: string
}

/** Problems of the environment have a name and no line. */
export const ENVIRONMENT = 'environment'

/** Beyond this nobody reads on; the count is said. */
const SHOWN_MAX = 50

/** One entry for each problem, in reading order: where it is and what is wrong; below it, what to do. */
export function formatProblems(problems: readonly Problem[]): string {
  const lines = [...problems]
    .sort(inReadingOrder)
    .slice(0, SHOWN_MAX)
    .map((problem) => `${place(problem)}  ${problem.message}\n    → ${problem.remedy}`)
  const hidden = problems.length - SHOWN_MAX
  return [...lines, ...(hidden > 0 ? [`… and ${hidden} more`] : [])].join('\n')
}

function place({ file, line, column, path }: Problem): string {
  if (file === ENVIRONMENT) return path
  return line === null ? file : `${file}:${line}:${column ?? 1}`
}

function inReadingOrder(a: Problem, b: Problem): number {
  if (a.file !== b.file) return a.file < b.file ? -1 : 1
  return (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0)
}
