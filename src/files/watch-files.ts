/**
 * Tells when a file has another content. It looks instead of listening: editors replace files, mounts swap links, network
 * disks say nothing, and whoever looks sees all of it. A content counts once two looks in a row found the same file, because
 * the beginning of a file that is being written can be a valid policy that allows more.
 */
import { stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Result } from '../domain/result.ts'
import { readTextFile } from './document.ts'
import type { Problem } from './problem.ts'

export interface WatchedFile {
  /** Absolute. */
  readonly path: string
  /** As people know it. */
  readonly name: string
  /** The content that is known already. */
  readonly text: string
}

/** Two looks make a change known: together well within a second. */
const LOOK_MS = 300

/**
 * Until `stopping` aborts; never rejects.
 * @param onContent told every other content, and why there is none. A throw is tried again at the next look.
 */
export async function watchFile(
  file: WatchedFile,
  onContent: (content: Result<string, Problem[]>) => Promise<void>,
  stopping: AbortSignal,
): Promise<void> {
  const { path, name } = file
  let told = JSON.stringify(file.text)
  let taken = ''
  let last = ''
  while (!stopping.aborted) {
    await sleep(LOOK_MS, undefined, { signal: stopping }).catch(() => {})
    const found = await markOf(path)
    if (found === last && found !== taken) {
      const content = readTextFile(path, name)
      // What was read while somebody wrote is looked at again.
      if ((await markOf(path)) !== found) continue
      const saying = JSON.stringify(content.ok ? content.value : content.error)
      try {
        if (saying !== told) await onContent(content)
        told = saying
        taken = found
      } catch {
        // The same content at the next look.
      }
    }
    last = found
  }
}

/** What changes with the content. */
async function markOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
    return [dev, ino, size, mtimeNs, ctimeNs].join(' ')
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
  }
}
