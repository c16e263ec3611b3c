/** How a server of `holdpoint.yaml` is reached: a program on stdio or an address, with values from the environment filled in. */
import { existsSync, statSync } from 'node:fs'
import { delimiter, resolve } from 'node:path'
import { z } from 'zod'
import { err, ok, type Result } from '../domain/result.ts'
import type { Document, Path } from './document.ts'
import type { Problem } from './problem.ts'
import { problemAt, problemAtKey, says } from './shape.ts'
import { readUpstreamOAuth, type UpstreamOAuthConfig, upstreamOAuthShape } from './upstream-oauth-config.ts'

export type UpstreamConfig =
  | {
      readonly kind: 'stdio'
      readonly command: string
      readonly args: readonly string[]
      readonly env: Readonly<Record<string, string>>
      readonly cwd: string | null
      readonly accounts: 'per_owner' | 'shared'
    }
  | {
      readonly kind: 'http'
      readonly url: URL
      /** `auto`: Streamable HTTP, or HTTP+SSE where it answers POST as the specification says for that. */
      readonly transport: 'auto' | 'http' | 'sse'
      readonly headers: Readonly<Record<string, string>>
      /** Credentials that have to be got first; `null`: `headers` are all there are. */
      readonly oauth: UpstreamOAuthConfig | null
      /** The gateway is not ready while this server answers whoever comes without credentials. */
      readonly requireAuth: boolean
    }

export interface UpstreamContext {
  /** Relative paths in the file start here. */
  readonly directory: string
  /** How a file is called in problems. */
  nameOf(path: string): string
  /** The value of an environment variable that the file refers to as `${NAME}`. */
  variable(name: string): string | undefined
  /** Whether agents of several people may use the servers of this file. */
  readonly hasPeople: boolean
}

const text = z.string().regex(/^[^\0]*$/, says('the text holds a NUL character', 'remove it'))
const filled = text.min(1, says('the text is empty', 'write a value, or remove the line'))
export const upstreamShape = z.strictObject({
  command: filled.optional(),
  args: z.array(text).optional(),
  env: z.record(z.string(), text).optional(),
  cwd: filled.optional(),
  url: filled.optional(),
  transport: z.enum(['auto', 'http', 'sse']).optional(),
  headers: z.record(z.string(), text).optional(),
  oauth: upstreamOAuthShape.optional(),
  require_auth: z.boolean().optional(),
  accounts: z.enum(['per_owner', 'shared']).optional(),
})

export function readUpstream(
  document: Document,
  path: Path,
  server: z.output<typeof upstreamShape>,
  context: UpstreamContext,
): Result<UpstreamConfig, Problem[]> {
  const problems: Problem[] = []
  const { command, url } = server
  if (command !== undefined && url !== undefined) {
    const message = '`command` and `url` are two ways to one server'
    return err([problemAtKey(document, [...path, 'url'], message, 'keep one of the two')])
  }
  for (const key of command === undefined
    ? (['args', 'env', 'cwd', 'accounts'] as const)
    : (['transport', 'headers', 'oauth', 'require_auth'] as const)) {
    if (server[key] === undefined) continue
    const owner = command === undefined ? 'command' : 'url'
    const message = `\`${key}\` belongs to a server with a \`${owner}\``
    problems.push(problemAtKey(document, [...path, key], message, 'remove it'))
  }
  const fill = (written: string, at: Path) => {
    const filled = interpolate(written, context)
    if (filled.ok) return filled.value
    const { message, remedy } = filled.error
    problems.push(problemAt(document, at, message, remedy))
    return null
  }
  const fillAll = (key: 'env' | 'headers') =>
    Object.fromEntries(
      Object.entries(server[key] ?? {}).flatMap(([name, written]) => {
        const value = fill(written, [...path, key, name])
        return value === null ? [] : [[name, value] as const]
      }),
    )

  if (command !== undefined) {
    refuseVariables(document, [...path, 'command'], command, problems)
    if (looksLikeALine(command, server, context)) {
      // Arguments may be secrets, so they are not repeated.
      const program = command.trim().split(/\s/)[0] ?? ''
      const message = 'this is a program and its arguments in one, and there is no program of that name'
      const remedy = `put arguments under \`args\`: command: ${program}, args: […]`
      problems.push(problemAt(document, [...path, 'command'], message, remedy))
    }
    server.args?.forEach((arg, index) => {
      refuseVariables(document, [...path, 'args', index], arg, problems)
    })
    for (const name of Object.keys(server.env ?? {})) {
      if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) continue
      const at = [...path, 'env', name]
      const message = `"${name}" cannot be the name of an environment variable`
      problems.push(problemAtKey(document, at, message, 'use letters, digits and "_"'))
    }
    const cwd = server.cwd === undefined ? null : resolve(context.directory, server.cwd)
    if (cwd !== null && !isDirectory(cwd)) {
      const message = `there is no directory ${context.nameOf(cwd)}`
      const remedy = 'create it, or correct the path (it starts at the configuration file)'
      problems.push(problemAt(document, [...path, 'cwd'], message, remedy))
    }
    const env = fillAll('env')
    if (problems.length > 0) return err(problems)
    // The programs of different people must not share what they keep at home, unless somebody says that it is safe.
    const accounts = server.accounts ?? (context.hasPeople ? 'per_owner' : 'shared')
    return ok({ kind: 'stdio', command, args: server.args ?? [], env, cwd, accounts })
  }
  if (url !== undefined) {
    const filled = fill(url, [...path, 'url'])
    const parsed = filled === null ? null : upstreamUrl(filled)
    if (parsed !== null && !parsed.ok) {
      problems.push(problemAt(document, [...path, 'url'], parsed.error.message, parsed.error.remedy))
    }
    const headers = fillAll('headers')
    for (const [name, value] of Object.entries(headers)) {
      const complaint = headerComplaint(name, value)
      if (complaint === null) continue
      problems.push(
        problemAtKey(document, [...path, 'headers', name], complaint, 'correct it, or remove the line'),
      )
    }
    const oauth = readUpstreamOAuth(document, [...path, 'oauth'], server.oauth, fill)
    if (!oauth.ok) problems.push(...oauth.error)
    if (
      server.oauth !== undefined &&
      Object.keys(headers).some((name) => name.toLowerCase() === 'authorization')
    ) {
      const message = '`oauth` and a header Authorization are two ways to sign in'
      problems.push(problemAtKey(document, [...path, 'oauth'], message, 'keep one of the two'))
    }
    if (problems.length > 0 || parsed === null || !parsed.ok || !oauth.ok) return err(problems)
    const requireAuth = server.require_auth ?? false
    const transport = server.transport ?? 'auto'
    return ok({ kind: 'http', url: parsed.value, transport, headers, oauth: oauth.value, requireAuth })
  }
  const remedy = 'write `command` for a program that speaks MCP on stdio, or `url` for an HTTP server'
  return err([...problems, problemAtKey(document, path, 'the server has no `command` and no `url`', remedy)])
}

/** A program is started without a shell, so blanks belong to its name: only a few names really have some. */
function looksLikeALine(
  command: string,
  server: { cwd?: string | undefined },
  context: UpstreamContext,
): boolean {
  if (!/\S\s/.test(command)) return false
  const directories = [
    // A relative path starts where the program does; a bare name is looked up.
    ...(server.cwd === undefined ? [] : [resolve(context.directory, server.cwd)]),
    context.directory,
    ...(context.variable('PATH') ?? '').split(delimiter),
  ]
  return !directories.some((directory) => existsSync(resolve(directory, command)))
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}

interface Complaint {
  readonly message: string
  readonly remedy: string
}

/** Replaces `${NAME}`; `$${` is a literal `${`. The value itself never appears in a problem, it may be a secret. */
function interpolate(written: string, context: UpstreamContext): Result<string, Complaint> {
  const missing: string[] = []
  let isMalformed = false
  const filled = written.replace(/\$\$\{|\$\{([^}]*)(\}?)/g, (match, name: string, end: string) => {
    if (match === '$${') return '${'
    if (end === '' || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
      isMalformed = true
      return ''
    }
    const value = context.variable(name)
    // An empty secret is a forgotten one: `Bearer ` would be sent and refused far away from here.
    if (value === undefined || value === '') missing.push(name)
    return value ?? ''
  })
  if (isMalformed) {
    return err({
      message: 'a reference to a variable is malformed',
      remedy: `write it as \${NAME}; $\${ stands for a literal \${`,
    })
  }
  const [name] = missing
  if (name === undefined) return ok(filled)
  return err({
    message: `the environment variable ${missing.join(', ')} is not set`,
    remedy: `start holdpoint with ${name}=…, or remove the reference`,
  })
}

function refuseVariables(document: Document, path: Path, written: string, problems: Problem[]): void {
  if (!/\$\{[A-Za-z_]/.test(written)) return
  const message = 'references to variables are filled in only in `env`, `headers` and `url`'
  problems.push(
    problemAt(
      document,
      path,
      message,
      'pass the value in `env`: every user of the machine can read arguments',
    ),
  )
}

function upstreamUrl(written: string): Result<URL, Complaint> {
  const url = URL.canParse(written) ? new URL(written) : null
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    return err({ message: 'this is not an http or https address', remedy: 'write it as https://host/path' })
  }
  if (url.username !== '' || url.password !== '') {
    return err({
      message: 'the address carries credentials, which end up in logs',
      remedy: 'put them in `headers`, by reference to an environment variable',
    })
  }
  return ok(url)
}

/** Headers that belong to a connection or to the MCP transport: a fixed value would break either. */
const ownHeaders = new Set([
  'accept',
  'connection',
  'content-length',
  'content-type',
  'host',
  'keep-alive',
  'last-event-id',
  'mcp-protocol-version',
  'mcp-session-id',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

function headerComplaint(name: string, value: string): string | null {
  if (!/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/.test(name)) return `"${name}" cannot be the name of a header`
  if (ownHeaders.has(name.toLowerCase())) return `the header "${name}" is set by holdpoint itself`
  // RFC 9110, section 5.5: visible characters, blanks and tabs.
  if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) {
    return `the value of "${name}" holds characters that no header can carry`
  }
  return null
}
