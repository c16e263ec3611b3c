/**
 * The MCP servers that a client is configured with: `.mcp.json` and `~/.claude.json` (Claude Code), `.cursor/mcp.json` (Cursor),
 * `.vscode/mcp.json` and `settings.json` (VS Code), `claude_desktop_config.json`. Comments and trailing commas are as those clients
 * take them; nothing is started or connected to here.
 */
import { homedir } from 'node:os'
import { basename, join } from 'node:path'
import { type ParseError, parse, printParseErrorCode } from 'jsonc-parser'
import { z } from 'zod'
import { err, ok, type Result } from '../domain/result.ts'
import type { UpstreamConfig } from './upstream-config.ts'

export interface ClientServer {
  /** As the client calls it; with the project before it where a file has several. */
  readonly name: string
  /** `err`: why it cannot be reached from here, and what would help. */
  readonly upstream: Result<UpstreamConfig, string>
  /** Switched off in the client, which does not start it either. */
  readonly isDisabled: boolean
}

/** Clients configure some tens of servers. */
const SERVERS_MAX = 500

export const clientFiles: Readonly<Record<string, readonly string[]>> = {
  'claude-code': ['.mcp.json', '~/.claude.json'],
  cursor: ['.cursor/mcp.json', '~/.cursor/mcp.json'],
  vscode: [
    '.vscode/mcp.json',
    '~/.config/Code/User/mcp.json',
    '~/Library/Application Support/Code/User/mcp.json',
    '~/AppData/Roaming/Code/User/mcp.json',
  ],
  'claude-desktop': [
    '~/.config/Claude/claude_desktop_config.json',
    '~/Library/Application Support/Claude/claude_desktop_config.json',
    '~/AppData/Roaming/Claude/claude_desktop_config.json',
  ],
}

/** @param home of the person; `undefined`: as the system says */
export const atHome = (path: string, home: string = homedir()): string =>
  path.startsWith('~/') ? join(home, path.slice(2)) : path

const entry = z.object({
  type: z.string().optional(),
  command: z.string().min(1).optional(),
  args: z.array(z.coerce.string()).optional(),
  env: z.record(z.string(), z.coerce.string()).optional(),
  envFile: z.string().optional(),
  disabled: z.boolean().optional(),
  cwd: z.string().optional(),
  url: z.string().optional(),
  serverUrl: z.string().optional(),
  headers: z.record(z.string(), z.string()).optional(),
})
const entries = z.record(z.string(), z.unknown())
const file = z.object({
  mcpServers: entries.optional(),
  servers: entries.optional(),
  mcp: z.object({ servers: entries.optional() }).optional(),
  projects: z.record(z.string(), z.object({ mcpServers: entries.optional() })).optional(),
})

export interface ClientFileContext {
  /** The project's folder: `${workspaceFolder}`, and where programs start. */
  readonly directory: string
  variable(name: string): string | undefined
  /** What a file of variables holds (VS Code's `envFile`). */
  variablesIn(file: string): Readonly<Record<string, string | undefined>>
}

/** What jsonc-parser found, for people. */
const jsonProblems: Readonly<Record<string, string>> = {
  InvalidSymbol: 'there is a word that JSON does not know; texts stand in double quotes',
  InvalidNumberFormat: 'there is a number that JSON does not know',
  PropertyNameExpected: 'the name of a member is missing, in double quotes',
  ValueExpected: 'a value is missing',
  ColonExpected: 'a colon is missing after a name',
  CommaExpected: 'a comma is missing',
  CloseBraceExpected: 'a closing } is missing',
  CloseBracketExpected: 'a closing ] is missing',
  EndOfFileExpected: 'something follows after the end',
  UnexpectedEndOfComment: 'a comment does not end',
  UnexpectedEndOfString: 'a text does not end: its closing quote is missing',
}

/** JSON with comments. */
export function readJsonc(text: string): Result<unknown, string> {
  const errors: ParseError[] = []
  const value: unknown = parse(text, errors, { allowTrailingComma: true })
  const [first] = errors
  if (first === undefined) return ok(value)
  const line = text.slice(0, first.offset).split('\n').length
  const code = printParseErrorCode(first.error)
  return err(`line ${line}: ${jsonProblems[code] ?? code}`)
}

/** `null`: the file is something else. */
export function clientServers(value: unknown, context: ClientFileContext): readonly ClientServer[] | null {
  const read = file.safeParse(value)
  if (!read.success) return null
  const { mcpServers, servers, mcp, projects } = read.data
  if (mcpServers === undefined && servers === undefined && mcp === undefined && projects === undefined)
    return null
  const found = [
    ...named('', { ...mcp?.servers, ...servers, ...mcpServers }, context),
    ...Object.entries(projects ?? {}).flatMap(([project, { mcpServers: own = {} }]) =>
      named(`${project}: `, own, { ...context, directory: project }),
    ),
  ]
  return found.slice(0, SERVERS_MAX)
}

function named(
  prefix: string,
  written: z.output<typeof entries>,
  context: ClientFileContext,
): ClientServer[] {
  return Object.entries(written).map(([name, value]) => ({
    name: `${prefix}${name}`,
    upstream: upstreamOf(value, context),
    isDisabled: entry.safeParse(value).data?.disabled === true,
  }))
}

function upstreamOf(value: unknown, context: ClientFileContext): Result<UpstreamConfig, string> {
  const read = entry.safeParse(value)
  if (!read.success) return err('its entry has neither a `command` nor a `url` that can be read')
  const { command, args = [], env = {}, cwd, headers = {} } = read.data
  const missing = new Set<string>()
  const fill = (text: string) => filled(text, context, missing)
  const fillAll = (texts: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(texts).map(([key, text]) => [key, fill(text)]))
  const { envFile } = read.data
  const fromFile = envFile === undefined ? {} : defined(context.variablesIn(fill(envFile)))
  const url = read.data.url ?? read.data.serverUrl
  const upstream: UpstreamConfig | null =
    command !== undefined
      ? {
          kind: 'stdio',
          command: fill(command),
          args: args.map(fill),
          env: { ...fromFile, ...fillAll(env) },
          cwd: cwd === undefined ? context.directory : fill(cwd),
          // The person's own programs, looked at by the person.
          accounts: 'shared',
        }
      : url !== undefined && URL.canParse(fill(url))
        ? {
            kind: 'http',
            url: new URL(fill(url)),
            transport: read.data.type === 'sse' ? 'sse' : 'auto',
            headers: fillAll(headers),
            oauth: null,
            requireAuth: false,
          }
        : null
  if (missing.size > 0) {
    const names = [...missing]
    const isAsked = names.some((name) => name.startsWith('$'))
    const remedy = isAsked
      ? 'only the client that asks for it knows its value; scan a copy of the file that has it'
      : `set ${names.length > 1 ? 'them' : 'it'} in the environment and scan again`
    return err(`it needs ${names.join(', ')}: ${remedy}`)
  }
  if (upstream === null) return err('its entry has neither a `command` nor a `url` that can be read')
  if (upstream.kind === 'http' && !/^https?:$/.test(upstream.url.protocol))
    return err(`${upstream.url.protocol} is no address of a server`)
  return ok(upstream)
}

const defined = (variables: Readonly<Record<string, string | undefined>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(variables).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )

/** `${NAME}`, `${NAME:-default}`, `${env:NAME}`, `${workspaceFolder}`, `${userHome}`; `${input:…}` is asked for by VS Code alone. */
function filled(text: string, { directory, variable }: ClientFileContext, missing: Set<string>): string {
  return text.replace(/\$\{([^}]{1,200})\}/g, (_match, reference: string) => {
    if (reference === 'workspaceFolder') return directory
    if (reference === 'workspaceFolderBasename') return basename(directory)
    if (reference === 'userHome') return variable('HOME') ?? homedir()
    if (reference === 'pathSeparator' || reference === '/') return '/'
    const [, name = '', fallback] = /^(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/.exec(reference) ?? []
    const value = name === '' ? undefined : (variable(name) ?? fallback)
    if (value !== undefined) return value
    missing.add(name === '' ? `\${${reference}}` : name)
    return ''
  })
}
