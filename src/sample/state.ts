/**
 * The sample's state directory: a few small JSON files, read afresh at each call and replaced whole, so that a reader
 * never sees half a file and a second process sees what the first one did. Two processes that write the same file
 * at the same instant may lose one of the two changes; that is good enough for a sample and for nothing else.
 */
import { randomUUID } from 'node:crypto'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'

export const profileFiles = ['credentials.json', 'token.json', 'user-token.json'] as const
export type ProfileFile = (typeof profileFiles)[number]
export type ListFile = 'messages.json' | 'calendar.json' | 'tasks.json' | 'mail.json' | 'board.json'

/** Like the real program, each of the three files keeps several accounts; this server uses the one named `default`. */
export const ProfilesSchema = z.record(z.string(), z.record(z.string(), z.unknown()))
export type Profiles = z.infer<typeof ProfilesSchema>

export interface State {
  readonly home: string
  readonly driveDir: string
  /** `null` when there is no such file. */
  readProfiles(file: ProfileFile): Profiles | null
  /** Writes the profiles; a file without any profile is deleted. */
  writeProfiles(file: ProfileFile, profiles: Profiles): void
  /** An absent file is an empty list. */
  readList<T>(file: ListFile, item: z.ZodType<T>): T[]
  writeList(file: ListFile, items: readonly unknown[]): void
  /** One line per executed call, so that a test can count what really reached the server. */
  recordCall(tool: string, atMs: number): void
  /** `true` once; the note it leaves behind keeps a restart from logging in again after a logout. */
  isNew(): boolean
  markSeeded(): void
}

const NOTE_FILE = 'README.txt'
const NOTE = `This directory is the state of "nworks (sample)", a sample MCP server that imitates NAVER WORKS.
Nothing in it is real and nothing leaves this machine. Remove the directory to start afresh.
`

export function openState(home: string): State {
  const driveDir = join(home, 'drive')
  mkdirSync(driveDir, { recursive: true, mode: 0o700 })
  const path = (file: string) => join(home, file)
  const read = (file: string): unknown =>
    existsSync(path(file)) ? JSON.parse(readFileSync(path(file), 'utf8')) : null

  return {
    home,
    driveDir: realpathSync(driveDir),
    readProfiles(file) {
      return ProfilesSchema.nullable().parse(read(file))
    },
    writeProfiles(file, profiles) {
      if (Object.keys(profiles).length === 0) rmSync(path(file), { force: true })
      else replaceFile(path(file), profiles)
    },
    readList(file, item) {
      return z.array(item).nullable().parse(read(file)) ?? []
    },
    writeList(file, items) {
      replaceFile(path(file), items)
    },
    recordCall(tool, atMs) {
      const line = JSON.stringify({ time: new Date(atMs).toISOString(), tool })
      appendFileSync(path('calls.log'), `${line}\n`, { mode: 0o600 })
    },
    isNew: () => !existsSync(path(NOTE_FILE)),
    markSeeded: () => writeFileSync(path(NOTE_FILE), NOTE),
  }
}

function replaceFile(path: string, value: unknown): void {
  const next = `${path}.${randomUUID()}.tmp`
  writeFileSync(next, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 })
  renameSync(next, path)
}
