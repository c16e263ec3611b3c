/** Paths that stay inside one directory, whatever a caller writes and wherever symbolic links lead. */
import { lstatSync, realpathSync } from 'node:fs'
import { dirname, isAbsolute, relative, resolve } from 'node:path'

/** The absolute form of `path`, read from `root`; `null` when it would leave `root` or lead through a file. */
export function inside(root: string, path: string): string | null {
  if (path.includes('\0')) return null
  const realRoot = realpathSync(root)
  const wanted = resolve(realRoot, path)
  if (!isWithin(realRoot, wanted)) return null
  const real = realPath(wanted)
  return real !== null && isWithin(realRoot, real) ? wanted : null
}

function isWithin(root: string, path: string): boolean {
  const steps = relative(root, path)
  return !isAbsolute(steps) && steps.split(/[\\/]/)[0] !== '..'
}

/** Where `path` really is, as far as it exists already. */
function realPath(path: string): string | null {
  try {
    return realpathSync(nearestPresent(path))
  } catch {
    return null
  }
}

/** A link that leads nowhere counts as present, since writing to it would create the file it names. */
function nearestPresent(path: string): string {
  const isPresent = lstatSync(path, { throwIfNoEntry: false }) !== undefined
  return isPresent ? path : nearestPresent(dirname(path))
}
