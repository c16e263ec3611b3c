/**
 * Regular expressions of policies: RE2 only, whose matching is linear in the text. Look-around and back-references do not
 * exist there, and what would be large is refused when the policy loads.
 */
import { RE2JS } from 're2js'
import type { Regex } from '../../domain/policy/regex.ts'
import { err, ok, type Result } from '../../domain/result.ts'

/** Longer patterns are lists, which `in` says better. */
const PATTERN_LENGTH_MAX = 512
/** Instructions of the compiled program: each costs a step for each character. */
const PROGRAM_SIZE_MAX = 1_000
/** What is matched against a pattern: a name, a path, a query; with the largest program still a fraction of a second. */
const MATCHED_LENGTH_MAX = 32_768

export function compileRegex(source: string): Result<Regex, { message: string; remedy: string }> {
  if (source.length > PATTERN_LENGTH_MAX) {
    const message = `a pattern has at most ${PATTERN_LENGTH_MAX} characters`
    return err({ message, remedy: 'shorten it, or list the values with `in`' })
  }
  try {
    const program = RE2JS.compile(source)
    if (program.programSize() > PROGRAM_SIZE_MAX) {
      return err({
        message: 'this pattern is too large',
        remedy: 'use smaller repetitions and fewer choices',
      })
    }
    return ok({
      source,
      isFoundIn: (text) => (text.length > MATCHED_LENGTH_MAX ? null : program.test(text)),
    })
  } catch (error) {
    const why =
      error instanceof Error ? error.message.replace(/^error parsing regexp: /, '') : 'not a pattern'
    return err({
      message: `this is not an RE2 pattern: ${why}`,
      remedy:
        'RE2 has no look-around and no back-references; combine conditions with `all` and `not` instead',
    })
  }
}
