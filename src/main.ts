/** `npm start`. */
import { tooOld } from './node-version.ts'

const complaint = tooOld(process.versions.node)
if (complaint === null) {
  // Only now: an older Node.js fails while it loads the rest, with a stack that says nothing.
  const { runStart } = await import('./launch/start.ts')
  await runStart()
} else {
  process.stderr.write(`${complaint}\n`)
  process.exitCode = 1
}
