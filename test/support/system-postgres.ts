/** The operating system's own PostgreSQL (apt-get install postgresql) over TCP, as a team's server would be reached. */
import { spawn, spawnSync } from 'node:child_process'
import { chownSync, existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from './everything.ts'
import { atExit, query, temporaryDirectory } from './gateway-process.ts'

export interface SystemPostgres {
  readonly url: string
  stop(): Promise<void>
}

const programs = '/usr/lib/postgresql'

/** As `isRedisMissing`: skipped on a newcomer's machine, a failure where every submission is tested. */
export function isPostgresMissing(): boolean {
  if (newest() !== null) return false
  if (process.env.CI !== undefined && process.env.CI !== '') {
    throw new Error('PostgreSQL is not installed: apt-get install postgresql')
  }
  process.stderr.write('skipped: PostgreSQL is not installed (apt-get install postgresql)\n')
  return true
}

export async function startSystemPostgres(): Promise<SystemPostgres> {
  const bin = newest()
  if (bin === null) throw new Error('PostgreSQL is not installed')
  const directory = temporaryDirectory()
  const data = join(directory, 'data')
  mkdirSync(data)
  const account = unprivileged()
  if (account !== null) {
    for (const path of [directory, data]) chownSync(path, account.uid, account.gid)
  }
  const as = { cwd: '/', ...account }
  const made = spawnSync(join(bin, 'initdb'), ['-D', data, '-U', 'holdpoint', '-A', 'trust', '-N'], as)
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr}`)
  const port = await freePort()
  const settings = [`port=${port}`, 'listen_addresses=127.0.0.1', `unix_socket_directories=${directory}`]
  const server = spawn(join(bin, 'postgres'), ['-D', data, ...settings.flatMap((line) => ['-c', line])], {
    ...as,
    stdio: 'ignore',
  })
  const ended = new Promise<void>((done) => server.once('exit', () => done()))
  atExit.push(() => server.kill('SIGQUIT'))
  const url = `postgres://holdpoint@127.0.0.1:${port}/postgres`
  const giveUpMs = performance.now() + 20_000
  while (performance.now() < giveUpMs) {
    try {
      await query(url, 'SELECT 1')
      return {
        url,
        async stop() {
          server.kill('SIGINT')
          await ended
        },
      }
    } catch {
      await new Promise((done) => setTimeout(done, 50))
    }
  }
  server.kill('SIGQUIT')
  throw new Error('PostgreSQL does not answer')
}

/** Where the newest version's programs are. */
function newest(): string | null {
  if (!existsSync(programs)) return null
  const versions = readdirSync(programs).sort((a, b) => Number(b) - Number(a))
  const paths = versions.map((version) => join(programs, version, 'bin'))
  return paths.find((path) => existsSync(join(path, 'initdb'))) ?? null
}

/** PostgreSQL refuses to run as root; its package brings an account. */
function unprivileged(): { uid: number; gid: number } | null {
  if (process.getuid?.() !== 0) return null
  const idOf = (flag: string) => Number(spawnSync('id', [flag, 'postgres']).stdout.toString())
  return { uid: idOf('-u'), gid: idOf('-g') }
}
