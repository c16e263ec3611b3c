/** Where the clients of this run are, and which versions of them are installed. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const repository = join(import.meta.dirname, '../..')
/** The packages that only this run needs. */
export const suite = join(import.meta.dirname, 'suite/node_modules')

/** @param modules the directory with the package; the repository's own without it */
export function installedVersion(name: string, modules = join(repository, 'node_modules')): string {
  return String(JSON.parse(readFileSync(join(modules, name, 'package.json'), 'utf8')).version)
}
