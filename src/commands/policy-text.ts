/** The text of a policy file that somebody names on the command line. */
import { formatProblems, readTextFile } from '../config.ts'
import type { Io } from './io.ts'

/** `null`: it cannot be read, and it was said why. */
export function readPolicyText(io: Io, file: string): string | null {
  const read = readTextFile(file, file)
  if (read.ok) return read.value
  io.err(formatProblems(read.error))
  return null
}
