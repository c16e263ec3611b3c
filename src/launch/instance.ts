/** Which process serves a data directory now: written when it is ready, so that a second start can say so instead of failing. */
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'

const record = z.object({ pid: z.number().int(), url: z.string(), startedAt: z.string() })
export type Instance = z.infer<typeof record>

/** A process that is alive answers its health check at once. */
const HEALTH_MS_MAX = 1_500

const fileOf = (dataDir: string) => join(dataDir, 'gateway.json')

/** The instance that runs on this data directory, if one really does. */
export async function runningInstance(dataDir: string): Promise<Instance | null> {
  let text: string
  try {
    text = await readFile(fileOf(dataDir), 'utf8')
  } catch {
    return null
  }
  const instance = parse(text)
  if (instance === null || instance.pid === process.pid || !isAlive(instance.pid)) return null
  try {
    const health = await fetch(`${instance.url}/healthz`, { signal: AbortSignal.timeout(HEALTH_MS_MAX) })
    return health.ok ? instance : null
  } catch {
    return null
  }
}

export async function recordInstance(dataDir: string, url: string): Promise<void> {
  await mkdir(dataDir, { recursive: true, mode: 0o711 })
  const instance: Instance = { pid: process.pid, url, startedAt: new Date().toISOString() }
  const temporary = `${fileOf(dataDir)}.${process.pid}`
  await writeFile(temporary, `${JSON.stringify(instance)}\n`)
  await rename(temporary, fileOf(dataDir))
}

export async function forgetInstance(dataDir: string): Promise<void> {
  await rm(fileOf(dataDir), { force: true })
}

function parse(text: string): Instance | null {
  try {
    const parsed = record.safeParse(JSON.parse(text))
    return parsed.success ? parsed.data : null
  } catch {
    return null
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // It lives and belongs to somebody else.
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
