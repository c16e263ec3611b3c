/** What there is to scan: the configured servers, those of a client's configuration, an address, or a saved list of tools. */
import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { z } from 'zod'
import { loadConfig, type ServerConfig } from '../config.ts'
import type { JsonObject } from '../domain/canonical.ts'
import { CLI } from '../domain/command-line.ts'
import { didYouMean } from '../domain/did-you-mean.ts'
import type { Policy } from '../domain/policy.ts'
import { err, ok, type Result } from '../domain/result.ts'
import { atHome, clientFiles, clientServers, readClientFile, readEnvFile, readJsonc } from '../launch/scan.ts'
import type { Parts } from './parts.ts'
import type { Trouble } from './settings.ts'

/** One server to scan, or the reason why it cannot be. */
export type Source =
  | {
      readonly kind: 'server'
      readonly name: string
      readonly upstream: ServerConfig['upstream']
      readonly isTrusted: boolean
      /** `null`: it has none, or none is known. */
      readonly policy: { readonly policy: Policy; readonly text: string } | null
      readonly from: string
    }
  | {
      readonly kind: 'list'
      readonly name: string
      readonly tools: readonly JsonObject[]
      readonly from: string
    }
  | { readonly kind: 'unreachable'; readonly name: string; readonly reason: string; readonly from: string }
  /** Its client does not start it. */
  | { readonly kind: 'disabled'; readonly name: string; readonly from: string }

/** `isEmpty`: it can be read, and names no server. */
type Found = Result<readonly Source[], Trouble & { readonly isEmpty?: true }>

/** @param target a name of a configured server, a client's name, a file, an http(s) address; `null`: every configured server */
export function sourcesOf(target: string | null, parts: Parts): Found {
  const { cwd } = parts.surroundings
  if (target === null) return configured(null, parts)
  if (/^https?:\/\//i.test(target)) return address(target)
  const home = parts.surroundings.env.HOME
  const files = clientFiles[target]
  if (files !== undefined) {
    const there = files.map((file) => resolve(cwd, atHome(file, home))).filter((file) => existsSync(file))
    if (there.length > 0) return ofClient(target, there, parts)
    return err({
      message: `There is no configuration of ${target} here: ${files.join(', ')}`,
      remedy: `name the file: ${CLI} scan path/to/mcp.json`,
    })
  }
  const path = resolve(cwd, atHome(target, home))
  return existsSync(path) ? fromFile(path, parts) : configured(target, parts)
}

/** A client reads all of its files, and most of them name no server; what is wrong with one says nothing of the others. */
function ofClient(client: string, files: readonly string[], parts: Parts): Found {
  const found = files.map((file) => ({ file, read: fromFile(file, parts) }))
  const sources = found.flatMap(({ file, read }): readonly Source[] => {
    if (read.ok) return read.value
    const { message, isEmpty } = read.error
    return isEmpty === true ? [] : [{ kind: 'unreachable', name: file, reason: message, from: file }]
  })
  if (sources.some(({ kind }) => kind !== 'unreachable')) return ok(sources)
  const [first] = found.flatMap(({ read }) => (read.ok || read.error.isEmpty === true ? [] : [read.error]))
  if (first !== undefined && sources.length === 1) return err(first)
  if (sources.length > 0) return ok(sources)
  return err({
    message: `${client} is configured with no MCP server: ${files.join(', ')}`,
    remedy: `name another file: ${CLI} scan path/to/mcp.json`,
  })
}

function configured(name: string | null, { surroundings }: Parts): Found {
  const loaded = loadConfig(surroundings)
  if (!loaded.ok) {
    const [first] = loaded.error
    const where = first === undefined ? '' : `${first.file}: ${first.message}`
    return err({
      message: `The configuration has a problem: ${where}`,
      remedy: `\`${CLI} validate\` lists all of them`,
    })
  }
  const { servers, file } = loaded.value
  const from = file ?? 'the built-in sample'
  const found = [...servers.values()].filter((server) => name === null || server.name === name)
  if (found.length > 0)
    return ok(
      found.map(({ name: called, upstream, isTrusted, rules, policyFile }): Source => {
        const policy = policyFile && { policy: rules.policy, text: policyFile.text }
        return { kind: 'server', name: called, upstream, isTrusted, policy, from }
      }),
    )
  const known = [...servers.keys(), ...Object.keys(clientFiles)]
  const remedy =
    (name === null ? null : (beginsLike(name, known) ?? didYouMean(name, known))) ??
    `known: ${known.join(', ')}; or name a file, or an https address`
  return err({ message: `"${name}" is neither a configured server nor a file nor a client`, remedy })
}

/** `claude` and `code` are how people call them. */
function beginsLike(name: string, known: readonly string[]): string | null {
  if (name.length < 3) return null
  const near = known.filter((one) => one.includes(name.toLowerCase()))
  return near.length === 0 ? null : `did you mean ${near.map((one) => `"${one}"`).join(' or ')}?`
}

function address(target: string): Found {
  if (!URL.canParse(target))
    return err({ message: `"${target}" is not an address`, remedy: 'write https://host/path' })
  const url = new URL(target)
  const common = { headers: {}, oauth: null, requireAuth: false }
  const upstream = { kind: 'http', url, transport: 'auto', ...common } as const
  return ok([{ kind: 'server', name: url.hostname, upstream, isTrusted: false, policy: null, from: target }])
}

const listShape = z.object({ server: z.string().optional(), tools: z.array(z.record(z.string(), z.json())) })

function fromFile(path: string, { surroundings }: Parts): Found {
  const text = readClientFile(path)
  if (!text.ok) return err({ message: text.error, remedy: null })
  const value = readJsonc(text.value)
  if (!value.ok) {
    const remedy = `a list of tools, or the MCP configuration of a client, as JSON; holdpoint.yaml is scanned by \`${CLI} scan\` alone`
    return err({ message: `${path} is not JSON: ${value.error}`, remedy })
  }
  const list = [
    value.value,
    z.object({ result: z.unknown() }).safeParse(value.value).data?.result,
    { tools: value.value },
  ]
    .map((candidate) => listShape.safeParse(candidate).data)
    .find((candidate) => candidate !== undefined)
  if (list !== undefined) {
    return ok([{ kind: 'list', name: list.server ?? stem(path), tools: list.tools, from: path }])
  }
  const directory = /[/\\]\.(?:cursor|vscode)$/.test(dirname(path)) ? dirname(dirname(path)) : dirname(path)
  const servers = clientServers(value.value, {
    directory,
    variable: (name) => surroundings.env[name],
    variablesIn: (name) => readEnvFile(resolve(directory, name)),
  })
  if (servers === null) {
    return err({
      message: `${path} holds neither a list of tools nor MCP servers`,
      remedy: 'it should have `tools`, `mcpServers` or `servers`',
      isEmpty: true,
    })
  }
  if (servers.length === 0)
    return err({ message: `${path} names no MCP server`, remedy: null, isEmpty: true })
  return ok(
    servers.map(
      ({ name, upstream, isDisabled }): Source =>
        isDisabled
          ? { kind: 'disabled', name, from: path }
          : upstream.ok
            ? { kind: 'server', name, upstream: upstream.value, isTrusted: false, policy: null, from: path }
            : { kind: 'unreachable', name, reason: upstream.error, from: path },
    ),
  )
}

const stem = (path: string) =>
  (path.split(/[/\\]/).at(-1) ?? path).replace(/\.json$/, '').replace(/[^A-Za-z0-9_.-]/g, '_')
