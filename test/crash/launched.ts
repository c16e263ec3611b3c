/** One launched process: started, armed, killed, stopped and continued by its id. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { atExit } from '../support/gateway-process.ts'
import { type Armed, LAST_WORDS_FD } from './trap.ts'

const launcher = resolve(import.meta.dirname, '../../dist/test/crash/launcher.js')

export type Role = 'gateway' | 'approvals' | 'deliveries'

/** A machine under load takes its time to start a process. */
const START_MS_MAX = 240_000

export interface Launched {
  readonly role: Role
  readonly pid: number
  /** Of a gateway. */
  readonly url: string
  output(): string
  arm(armed: Armed | null): void
  isAlive(): boolean
  /** Since when it stands still, by this process's clock. */
  readonly exited: Promise<void>
  kill(): Promise<void>
  freeze(): void
  thaw(): void
  /** SIGTERM. Resolves with the exit code. */
  stop(): Promise<number | null>
}

export interface Launch {
  readonly role: Role
  readonly env: Record<string, string>
  /** A gateway's own. */
  readonly dataDir: string
  readonly mutant: string | null
  /** It has passed its point and does not go on. */
  onLastWords(point: string): void
}

export async function launch({ role, env, dataDir, mutant, onLastWords }: Launch): Promise<Launched> {
  if (!existsSync(launcher))
    throw new Error('the launcher is not built: npm run build && npm run build:crash')
  const child = spawn(process.execPath, [launcher, role, ...(mutant === null ? [] : [mutant])], {
    env: { ...env, HOLDPOINT_DATA: dataDir },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc', 'pipe'],
  })
  atExit.push(() => child.kill('SIGKILL'))
  let output = ''
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-200_000)
  }
  child.stdout?.on('data', keep)
  child.stderr?.on('data', keep)
  const words = child.stdio[LAST_WORDS_FD]
  words?.on('data', (chunk: Buffer) => onLastWords(chunk.toString().trim()))
  words?.on('error', () => {})
  // Sending to a process that has just died is no fault of anybody's.
  child.on('error', () => {})
  const exited = new Promise<void>((done) => child.once('exit', () => done()))
  const url = await ready(child, role, dataDir, () => output)
  const isAlive = () => child.exitCode === null && child.signalCode === null
  return {
    role,
    pid: child.pid ?? 0,
    url,
    output: () => output,
    exited,
    isAlive,
    arm(armed) {
      if (isAlive() && child.connected) child.send({ armed }, () => {})
    },
    async kill() {
      child.kill('SIGKILL')
      await exited
    },
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    async stop() {
      child.kill('SIGTERM')
      child.kill('SIGCONT')
      await exited
      return child.exitCode
    },
  }
}

async function ready(
  child: ChildProcess,
  role: Role,
  dataDir: string,
  output: () => string,
): Promise<string> {
  const giveUpMs = performance.now() + START_MS_MAX
  while (performance.now() < giveUpMs) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`the ${role} ended before it was ready:\n${output()}`)
    }
    if (role === 'gateway') {
      const url = instanceUrl(dataDir, child.pid ?? 0)
      if (url !== null) return url
    } else if (output().includes('worker is running')) return ''
    await new Promise((done) => setTimeout(done, 25))
  }
  child.kill('SIGKILL')
  throw new Error(`the ${role} was not ready in time:\n${output()}`)
}

function instanceUrl(dataDir: string, pid: number): string | null {
  try {
    const instance = JSON.parse(readFileSync(join(dataDir, 'gateway.json'), 'utf8'))
    return instance.pid === pid ? String(instance.url) : null
  } catch {
    return null
  }
}
