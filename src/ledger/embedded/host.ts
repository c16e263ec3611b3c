/** What this machine and this process are. Everything here is told these facts, so that a test can tell others. */
import { readFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'

export interface Account {
  readonly uid: number
  readonly gid: number
}

export interface Host extends Account {
  readonly platform: NodeJS.Platform
  readonly arch: NodeJS.Architecture
  /** initdb looks its user up by name; containers run under ids that have none. */
  readonly isNamed: boolean
  /** Who PostgreSQL runs as when we are root, which it refuses to be. */
  readonly unprivileged: Account | null
  readonly userNamespaces: 'worth_trying' | 'forbidden'
  /** For data that the unprivileged account cannot reach where it was asked for. Not a temporary directory: those are swept. */
  readonly persistentDir: string
  /** For sockets whose own path would be too long, in order of preference. */
  readonly tmpDirs: readonly string[]
}

export function thisHost(): Host {
  return {
    platform: process.platform,
    arch: process.arch,
    uid: process.getuid?.() ?? -1,
    gid: process.getgid?.() ?? -1,
    isNamed: isNamed(),
    unprivileged: unprivilegedAccount(),
    userNamespaces: process.platform === 'linux' ? 'worth_trying' : 'forbidden',
    persistentDir: '/var/lib/holdpoint',
    tmpDirs: [tmpdir(), '/tmp'],
  }
}

function isNamed(): boolean {
  try {
    return userInfo().username !== ''
  } catch {
    // Node throws when the id is in no passwd database, exactly the case in question.
    return false
  }
}

/** `nobody`, or else the first account that is not root. The name must be local: it is looked up inside a namespace too. */
function unprivilegedAccount(): Account | null {
  try {
    const accounts = readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .map((line) => line.split(':'))
      .map(([name, , uid, gid]) => ({ name, uid: Number(uid), gid: Number(gid) }))
      .filter(({ uid, gid }) => uid > 0 && gid > 0)
    return accounts.find(({ name }) => name === 'nobody') ?? accounts[0] ?? null
  } catch {
    return null
  }
}
