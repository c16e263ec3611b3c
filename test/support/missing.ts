/**
 * What a test needs and this machine does not have: skipped with a sentence on a newcomer's machine, a failure where every
 * submission is tested.
 */

/** @param remedy what would bring it. @throws in CI. @returns `true`, for `describe.skipIf` */
export function skippedHere(what: string, remedy: string): true {
  if ((process.env.CI ?? '') !== '') throw new Error(`${what}: ${remedy}`)
  process.stderr.write(`skipped: ${what} (${remedy})\n`)
  return true
}
