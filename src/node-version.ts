/** Whether this Node.js can run the rest. Imports nothing and uses nothing new: an older one has to be able to read it. */

/** As `engines` in package.json. */
const MAJOR = 20
const MINOR = 19

/** @returns what to say instead of starting, `null` where all is well */
export function tooOld(version: string): string | null {
  const parts = version.split('.').map(Number)
  const major = parts[0] || 0
  const minor = parts[1] || 0
  if (major > MAJOR || (major === MAJOR && minor >= MINOR)) return null
  return `Holdpoint needs Node ${MAJOR}.${MINOR} or later; this is ${version}.`
}
