/** As whom PostgreSQL's programs run. They refuse to be root, so root lends them an identity that is not. */
import { spawn } from 'node:child_process'
import { chown, lstat, stat } from 'node:fs/promises'
import { join, parse, relative, sep } from 'node:path'
import type { Account, Host } from './host.ts'
import { unless } from './unavailable.ts'

/** `uid` and `gid` are those the files carry. */
export type Identity =
  | { readonly kind: 'self'; readonly uid: number; readonly gid: number }
  /** A user namespace of its own: outside still us, so it may use our files; inside not root. */
  | { readonly kind: 'namespace'; readonly uid: number; readonly gid: number; readonly inside: Account }
  /** Another account altogether, where namespaces are forbidden. */
  | { readonly kind: 'dropped'; readonly uid: number; readonly gid: number }

export interface Command {
  readonly file: string
  readonly args: readonly string[]
  readonly options: {
    readonly cwd: string
    readonly env: Record<string, string>
    readonly uid?: number
    readonly gid?: number
  }
}

/** The caller's own environment stays out: PGDATA, PGPORT or a locale in it would change what these programs do. */
const env = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/run/current-system/sw/bin',
  LC_ALL: 'C',
}

export function commandAs(identity: Identity, file: string, args: readonly string[]): Command {
  // "/", because the working directory of this process may be closed to another identity.
  const options = { cwd: '/', env }
  switch (identity.kind) {
    case 'self':
      return { file, args, options }
    case 'namespace': {
      const { uid, gid } = identity.inside
      return {
        file: 'unshare',
        args: ['--user', `--map-user=${uid}`, `--map-group=${gid}`, '--', file, ...args],
        options,
      }
    }
    case 'dropped':
      return { file, args, options: { ...options, uid: identity.uid, gid: identity.gid } }
  }
}

export interface Finished {
  readonly succeeded: boolean
  readonly output: string
}

/** Runs a program to its end. A program that cannot be started has failed, with the reason as its output. */
export function runAs(identity: Identity, file: string, args: readonly string[]): Promise<Finished> {
  const command = commandAs(identity, file, args)
  return new Promise((resolve) => {
    const child = spawn(command.file, command.args, {
      ...command.options,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
    child.stderr.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
    child.once('error', (error) => resolve({ succeeded: false, output: error.message }))
    child.once('close', (code) => resolve({ succeeded: code === 0, output: output.trim() }))
  })
}

/** A user namespace, if this machine allows one to us. Tried, because nothing announces it. */
export async function namespaceOf(host: Host): Promise<Identity | null> {
  if (host.userNamespaces === 'forbidden' || host.unprivileged === null) return null
  const identity: Identity = {
    kind: 'namespace',
    uid: host.uid,
    gid: host.gid,
    inside: host.unprivileged,
  }
  return (await isPossible(identity)) ? identity : null
}

/** The unprivileged account, if we may become it: a container that knows only one user id cannot. */
export async function droppedOf(host: Host): Promise<Identity | null> {
  if (host.uid !== 0 || host.unprivileged === null) return null
  const { uid, gid } = host.unprivileged
  const identity: Identity = { kind: 'dropped', uid, gid }
  return (await isPossible(identity)) ? identity : null
}

async function isPossible(identity: Identity): Promise<boolean> {
  try {
    return (await runAs(identity, '/bin/sh', ['-c', ':'])).succeeded
  } catch {
    // Some refusals of the kernel to change the user are thrown by `spawn` at once.
    return false
  }
}

/**
 * The first directory on the way to `path` that the identity may not pass, or null. A namespace leaves root's
 * privileges behind: what root owns stays open, another user's private directory does not.
 */
export async function firstClosed(path: string, identity: Identity): Promise<string | null> {
  if (identity.kind === 'self') return null
  let at = parse(path).root
  for (const part of ['', ...relative(at, path).split(sep)]) {
    at = join(at, part)
    const found = await stat(at).catch(unless('ENOENT'))
    if (found === null) return null
    const bit = found.uid === identity.uid ? 0o100 : found.gid === identity.gid ? 0o010 : 0o001
    if (found.isDirectory() && (found.mode & bit) === 0) return at
  }
  return null
}

/** Makes one file or directory the identity's own, which only root can and only a dropped identity needs. */
export async function giveTo(identity: Identity, path: string): Promise<void> {
  if (identity.kind === 'dropped') await chown(path, identity.uid, identity.gid)
}

/** Whom something belongs to; null when it does not exist. */
export async function ownerOf(path: string): Promise<Account | null> {
  const found = await lstat(path).catch(unless('ENOENT'))
  return found === null ? null : { uid: found.uid, gid: found.gid }
}
