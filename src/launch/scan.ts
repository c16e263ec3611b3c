/** Looks at servers from outside of any gateway: one is started or connected to, asked for its tools, and ended again. */
import { readFileSync, statSync } from 'node:fs'
import type { ServerConfig } from '../config.ts'
import type { JsonObject } from '../domain/canonical.ts'
import { defaultLimits } from '../domain/limits.ts'
import { err, ok, type Result } from '../domain/result.ts'
import { defaultTimings } from '../domain/timings.ts'
import { listTools } from '../mcp/upstream/list-tools.ts'
import { createSlots } from '../mcp/upstream/slots.ts'
import { silentLog } from './log.ts'
import { createUpstream } from './upstreams.ts'

/** `npx` and its like may download a program before it says its first word. */
const SILENCE_MS = 60_000

export async function toolsOf(
  server: Pick<ServerConfig, 'name' | 'upstream'>,
): Promise<Result<readonly JsonObject[], string>> {
  const upstream = createUpstream(server, {
    limits: defaultLimits,
    timings: defaultTimings,
    slots: createSlots(defaultLimits),
    homeOf: null,
    credentials: null,
    log: silentLog,
  })
  try {
    return await listTools(upstream, { name: 'scan', owner: 'scan' }, SILENCE_MS)
  } finally {
    await upstream.close()
  }
}

/** For the command line, which does not reach into the adapters itself. */
export { atHome, clientFiles, clientServers, readJsonc } from '../files/client-servers.ts'

/** `~/.claude.json` keeps histories as well and grows to some megabytes. */
const CLIENT_FILE_BYTES_MAX = 32 * 1024 * 1024

export function readClientFile(path: string): Result<string, string> {
  try {
    const { size } = statSync(path)
    if (size > CLIENT_FILE_BYTES_MAX) return err(`${path} is larger than 32 MiB, which no configuration is`)
    return ok(readFileSync(path, 'utf8'))
  } catch (error) {
    return err(`${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`)
  }
}
