/** A home directory for each person at each server, which nobody else may look into. */
import { createHash } from 'node:crypto'
import { chmod, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { hasOwner, type Principal } from '../domain/principal.ts'
import { err, ok, type Result } from '../domain/result.ts'

export const homeIn =
  (dataDir: string, server: string) =>
  async ({ owner, ...principal }: Principal): Promise<Result<string, string>> => {
    if (!hasOwner({ owner })) {
      return err(
        `It is not known which person answers for ${principal.name}, so its program at ${server} has no home to run in. ` +
          'An operator can name them under `people`.',
      )
    }
    const homes = join(dataDir, 'homes')
    const home = join(homes, server, directoryOf(owner))
    await mkdir(home, { recursive: true, mode: 0o700 })
    // Whoever made it before, and under whatever umask.
    for (const directory of [homes, join(homes, server), home]) await chmod(directory, 0o700)
    return ok(home)
  }

/** Some file systems do not tell `Mina` from `mina`. */
function directoryOf(owner: string): string {
  const lower = owner.toLowerCase()
  if (lower === owner) return owner
  return `${lower}~${createHash('sha256').update(owner).digest('hex').slice(0, 8)}`
}
