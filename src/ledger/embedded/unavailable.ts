/** Why the embedded server cannot run here, in a sentence that names the cause and the one remedy. */

export type UnavailableCause =
  | 'platform'
  | 'package'
  | 'binaries'
  | 'user'
  | 'directory'
  | 'space'
  | 'data'
  | 'start'

export class EmbeddedPostgresUnavailable extends Error {
  override readonly name = 'EmbeddedPostgresUnavailable'
  readonly reason: UnavailableCause

  constructor(reason: UnavailableCause, sentence: string, options?: ErrorOptions) {
    super(
      `The embedded PostgreSQL cannot run here: ${sentence}. ` +
        'Remedy: set DATABASE_URL=postgresql://… to a PostgreSQL 14 or later.',
      options,
    )
    this.reason = reason
  }
}

/** What the file system or PostgreSQL said, as a reason where it is one; anything else is a bug and stays what it is. */
export function explain(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof EmbeddedPostgresUnavailable) return error
  const because = { cause: error }
  switch (errorCode(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new EmbeddedPostgresUnavailable('space', `no space is left (${error.message})`, because)
    case 'EROFS':
      return new EmbeddedPostgresUnavailable(
        'directory',
        `the file system is read-only (${error.message})`,
        because,
      )
    case 'EACCES':
    case 'EPERM':
      return new EmbeddedPostgresUnavailable(
        'directory',
        `this user may not write there (${error.message})`,
        because,
      )
    case 'EEXIST':
    case 'ENOTDIR':
    case 'EBUSY':
      return new EmbeddedPostgresUnavailable(
        'directory',
        `the data directory cannot be made (${error.message})`,
        because,
      )
    default:
      return error
  }
}

/** A program's failure in its own words, of which the end is kept. */
export function failed(reason: UnavailableCause, what: string, output: string): EmbeddedPostgresUnavailable {
  const lines = output.split('\n').filter((line) => line.trim() !== '')
  const last = lines.findLastIndex((line) => /FATAL|PANIC|ERROR|error:/.test(line))
  // The lines before the last complaint are where PostgreSQL names the detail.
  const words = (last < 0 ? lines : lines.slice(0, last + 1)).slice(-3).join('; ')
  const isFull = /No space left|quota exceeded/i.test(output)
  return new EmbeddedPostgresUnavailable(isFull ? 'space' : reason, `${what} (${words})`)
}

export function errorCode(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null
}

/** For `catch`: swallows the errors named, passes all others on. */
export function unless(...codes: readonly string[]): (error: unknown) => null {
  return (error) => {
    const code = errorCode(error)
    if (code !== null && codes.includes(code)) return null
    throw error
  }
}
