/**
 * `scan`: everything that agents can call on a server, classified with the evidence; and a policy for it. To know what a program
 * on stdio offers it has to be started, which is said and shown before.
 */
import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { formatProblems, type Problem, unknownTools } from '../config.ts'
import { CLI } from '../domain/command-line.ts'
import { attacksOn } from '../domain/risk/attacks.ts'
import { proposedPolicy } from '../domain/risk/proposed-policy.ts'
import { type ScannedServer, type ScannedTool, scanned } from '../domain/risk/scanned.ts'
import { visible } from '../domain/visible.ts'
import { readyFor } from '../launch/ready-policies.ts'
import { toolsOf } from '../launch/scan.ts'
import type { ExitCode, Io } from './io.ts'
import type { Parts } from './parts.ts'
import { paint, place, renderScan } from './scan-render.ts'
import { type Source, sourcesOf } from './scan-sources.ts'
import { printJson, tell } from './session.ts'

export interface ScanOptions {
  readonly target: string | null
  /** Of the servers found, only this one. */
  readonly only: string | null
  readonly json: boolean
  /** The person has seen what will be started, or will not be asked. */
  readonly yes: boolean
  /** What the servers say in annotations is believed. */
  readonly trust: boolean
  readonly writePolicy: string | null
  readonly explain: string | null
}

interface Missed {
  readonly name: string
  readonly reason: string
}

export async function scan(parts: Parts, options: ScanOptions): Promise<ExitCode> {
  const { io } = parts
  const found = sourcesOf(options.target, parts)
  if (!found.ok) {
    tell(io, found.error)
    return 2
  }
  const sources = found.value.filter(({ name }) => options.only === null || name === options.only)
  if (sources.length === 0) {
    const remedy = `there are: ${found.value.map(({ name }) => visible(name)).join(', ')}`
    tell(io, { message: `There is no server "${options.only}"`, remedy })
    return 2
  }
  if (!(await mayStart(sources, io, options.yes))) return 2

  const servers: ScannedServer[] = []
  const missed: Missed[] = []
  const disabled = sources.flatMap(({ kind, name }) => (kind === 'disabled' ? [name] : []))
  const notes: Problem[] = []
  for (const source of sources) {
    if (source.kind === 'disabled') continue
    const tools = await listed(source)
    if (tools.ok) servers.push(scanned(source.name, tools.value, options.trust || isTrusted(source)))
    else missed.push({ name: source.name, reason: tools.error })
    if (tools.ok && source.kind === 'server' && source.policy !== null) {
      const { policy, text } = source.policy
      const names = tools.value.flatMap(({ name }) => (typeof name === 'string' ? [name] : []))
      notes.push(...unknownTools(policy, text, names))
    }
  }
  if (options.explain !== null) return explain(options.explain, servers, parts, options.json)
  if (options.writePolicy !== null) {
    const written = write(options.writePolicy, servers, parts)
    if (written !== 0) return written
  }
  if (options.json) printJson(io, { servers, missed, disabled, notes })
  else {
    for (const line of renderScan(servers, io.colours)) io.out(line)
    for (const { name, reason } of missed)
      io.err(io.colours.red(`${visible(name)} could not be scanned: ${visible(reason)}`))
    for (const name of disabled)
      io.err(`${visible(name)} is switched off in its client, which does not start it either; left out.`)
    if (notes.length > 0) io.err(formatProblems(notes))
    if (servers.length > 0) io.out(`Why a tool is where it is: ${CLI} scan … --explain <tool>`)
  }
  return missed.length > 0 ? 1 : 0
}

/** `trusted: true` in `holdpoint.yaml` counts here as well. */
const isTrusted = (source: Source) => source.kind === 'server' && source.isTrusted

/** Starting a program is running it with the rights of the person at the terminal: said plainly, with the whole command. */
async function mayStart(sources: readonly Source[], io: Io, isAgreed: boolean): Promise<boolean> {
  const programs = sources.flatMap((source) =>
    source.kind === 'server' && source.upstream.kind === 'stdio'
      ? [{ ...source, upstream: source.upstream }]
      : [],
  )
  if (programs.length === 0) return true
  io.err(
    `To ask ${programs.length === 1 ? 'this server' : 'these servers'} for tools, ${programs.length === 1 ? 'its program is' : 'their programs are'} started on this machine, with your rights:`,
  )
  for (const { name, upstream, from } of programs) {
    const { command, args, env, cwd } = upstream
    const line = [command, ...args]
      .map((part) => (/^[\w@%+=:,./-]+$/.test(part) ? part : JSON.stringify(part)))
      .join(' ')
    io.err(`  ${visible(name)}  (${visible(from)})`)
    io.err(`    ${visible(line)}`)
    if (cwd !== null) io.err(`    in ${visible(cwd)}`)
    if (Object.keys(env).length > 0) io.err(`    with ${Object.keys(env).map(visible).join(', ')} set`)
  }
  if (isAgreed) return true
  if (!io.isInteractive) {
    tell(io, {
      message: 'Nothing was started.',
      remedy: `add --yes if ${programs.length === 1 ? 'this is a program' : 'these are programs'} that you run anyway${programs.length === 1 ? '' : '; --server <name> looks at one of them'}`,
    })
    return false
  }
  const answer = await io.ask('Start? [y/N] ')
  const isYes = /^y(?:es)?$/i.test(answer.trim())
  if (!isYes) io.err('Nothing was started.')
  return isYes
}

async function listed(source: Exclude<Source, { kind: 'disabled' }>): ReturnType<typeof toolsOf> {
  switch (source.kind) {
    case 'list':
      return { ok: true, value: source.tools }
    case 'unreachable':
      return { ok: false, error: source.reason }
    case 'server':
      return toolsOf(source)
  }
}

function write(file: string, servers: readonly ScannedServer[], { io, surroundings }: Parts): ExitCode {
  const [server, other] = servers
  if (server === undefined) {
    tell(io, { message: 'No policy was written: no server could be scanned.', remedy: null })
    return 1
  }
  if (other !== undefined) {
    const remedy = `a policy is for one server; add --server ${visible(server.name)}`
    tell(io, { message: `No policy was written: ${servers.length} servers were scanned`, remedy })
    return 2
  }
  try {
    writeFileSync(resolve(surroundings.cwd, file), proposedPolicy(server, `Written by ${CLI} scan.`), {
      flag: 'wx',
    })
  } catch (error) {
    const remedy = 'name another file; one that is there is never overwritten'
    tell(io, {
      message: `${file} was not written: ${error instanceof Error ? error.message : String(error)}`,
      remedy,
    })
    return 1
  }
  io.err(`Wrote ${file}. Name it in holdpoint.yaml (policy: ${file}) after you have read it.`)
  return 0
}

function explain(
  wanted: string,
  servers: readonly ScannedServer[],
  { io }: Parts,
  isJson: boolean,
): ExitCode {
  const found = servers.flatMap(({ name, tools }) =>
    tools.filter((tool) => tool.name === wanted).map((tool) => ({ server: name, tool, others: tools })),
  )
  if (found.length === 0) {
    tell(io, { message: `No scanned server has a tool "${wanted}"`, remedy: null })
    return 1
  }
  const told = found.map(({ server, tool, others }) => ({
    server,
    tool,
    attacks: attacksOn(
      tool.category,
      tool.evidence.map(({ rule }) => rule),
    ),
    related: related(tool, others),
    readyPolicies: readyFor(tool.name),
  }))
  if (isJson) {
    printJson(io, told)
    return 0
  }
  for (const { server, tool, attacks, related: alike, readyPolicies: policies } of told) {
    const { bold, dim } = io.colours
    io.out(`${bold(visible(tool.name))}  ${visible(server)}`)
    io.out(`${paint(tool.risk, io.colours)(bold(tool.risk))}, ${tool.category ?? 'unknown'}`)
    if (tool.description !== null) io.out(dim(visible(tool.description.slice(0, 400))))
    io.out('')
    io.out(bold('Why'))
    if (tool.evidence.length === 0) io.out('  Nothing says what it does, and what nobody knows is critical.')
    for (const { field, quote, rule, reason } of tool.evidence)
      io.out(`  "${visible(quote)}" in ${place(field)}: ${reason}  ${dim(rule)}`)
    io.out('')
    io.out(bold('Attacks that use such access'))
    for (const { name, what, helps } of attacks) io.out(`  ${name}\n    ${what}\n    → ${helps}`)
    io.out('')
    if (alike.length > 0) io.out(`${bold('Related tools')}  ${alike.map(visible).join(', ')}`)
    io.out(`${bold('Ready policies')}  ${policies.join(', ') || 'none names it; `--write-policy` makes one'}`)
    io.out('')
  }
  return 0
}

/** Tools beside it that can do the same kind of harm. */
function related(tool: ScannedTool, others: readonly ScannedTool[]): string[] {
  return others
    .filter(({ name, category }) => name !== tool.name && category === tool.category)
    .map(({ name }) => name)
    .slice(0, 10)
}
