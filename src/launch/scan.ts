/** Looks at servers from outside of any gateway: one is started or connected to, asked for its tools, and ended again. */
import { readFileSync, statSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { z } from 'zod'
import type { ServerConfig } from '../config.ts'
import type { JsonObject } from '../domain/canonical.ts'
import { defaultLimits } from '../domain/limits.ts'
import { err, ok, type Result } from '../domain/result.ts'
import { defaultTimings } from '../domain/timings.ts'
import { beginning } from '../domain/well-formed.ts'
import { listTools } from '../mcp/upstream/list-tools.ts'
import { createSlots } from '../mcp/upstream/slots.ts'
import { silentLog } from './log.ts'
import { createUpstream } from './upstreams.ts'

/** `npx` and its like may download a program before it says its first word. */
const SILENCE_MS = 60_000

export async function toolsOf(
  server: Pick<ServerConfig, 'name' | 'upstream'>,
): Promise<Result<readonly JsonObject[], string>> {
  const said: string[] = []
  const upstream = createUpstream(server, {
    limits: defaultLimits,
    timings: defaultTimings,
    slots: createSlots(defaultLimits),
    homeOf: null,
    credentials: null,
    log: {
      ...silentLog,
      info(fields) {
        const line = stderrLine.safeParse(fields)
        if (line.success) said.push(line.data.line)
      },
    },
  })
  try {
    const listed = await listTools(upstream, { name: 'scan', owner: 'scan' }, SILENCE_MS)
    return listed.ok ? listed : err(forPeople(listed.error, said))
  } finally {
    await upstream.close()
  }
}

const stderrLine = z.object({ line: z.string() })
/** Where a program says why it did not start; a stack that follows says less. */
const SAID_LINES_MAX = 5
const SAID_LENGTH_MAX = 600

/** There is no gateway here that would have a log, and no holdpoint.yaml that names the program. */
function forPeople(reason: string, said: readonly string[]): string {
  // It is started more than once, to find out which revision it speaks.
  const lines = [...new Set(said.map((line) => line.trim()))].filter((line) => line !== '')
  const words = beginning(lines.slice(0, SAID_LINES_MAX).join(' / '), SAID_LENGTH_MAX)
  return reason
    .replace(/^.{1,200}? refused a new session: /u, '')
    .replace(/ of this server in holdpoint\.yaml/u, ' in this configuration')
    .replace(
      /What it wrote to stderr is in the gateway's log; run /u,
      words === '' ? 'Run ' : `It wrote: ${words}. Run `,
    )
}

/** For the command line, which does not reach into the adapters itself. */
export { atHome, clientFiles, clientServers, readJsonc } from '../files/client-servers.ts'

/** `~/.claude.json` keeps histories as well and grows to some megabytes. */
const CLIENT_FILE_BYTES_MAX = 32 * 1024 * 1024

/** The variables of a `.env` file; none where it cannot be read. */
export function readEnvFile(path: string): Readonly<Record<string, string | undefined>> {
  const text = readClientFile(path)
  return text.ok ? parseEnv(text.value) : {}
}

export function readClientFile(path: string): Result<string, string> {
  try {
    const found = statSync(path)
    if (found.isDirectory()) return err(`${path} is a folder; name the file in it`)
    const { size } = found
    if (size > CLIENT_FILE_BYTES_MAX) return err(`${path} is larger than 32 MiB, which no configuration is`)
    return ok(readFileSync(path, 'utf8'))
  } catch (error) {
    return err(`${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`)
  }
}
