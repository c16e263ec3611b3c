/** Reads one server of `holdpoint.yaml`: where it is, its policy, who may decide about its calls. */
import { resolve } from 'node:path'
import { z } from 'zod'
import { type ApproverChain, askForEverything, type Policy } from '../domain/policy.ts'
import { err, ok, type Result } from '../domain/result.ts'
import { type Document, readTextFile } from './document.ts'
import { checkName, type Known, readNamed } from './known-names.ts'
import { scopesShape } from './oauth-config.ts'
import { type PolicyReading, readPolicyWithNotes } from './policy-file.ts'
import type { Problem } from './problem.ts'
import { checkShape, problemAt, says } from './shape.ts'
import { readUpstream, type UpstreamConfig, type UpstreamContext, upstreamShape } from './upstream-config.ts'

export interface ServerConfig {
  readonly name: string
  /** What the files say, which need not be what is in force. */
  readonly rules: { readonly policy: Policy; readonly approvers: ApproverChain }
  /** `null`: the server has no policy. */
  readonly policyFile: PolicyFile | null
  /** What the policy says that is probably not meant. */
  readonly notes: readonly Problem[]
  /** JSON-RPC methods that may pass although no MCP revision names them. */
  readonly extraMethods: readonly string[]
  /** Headers of its clients that pass to it besides those of MCP, HTTP and tracing, in lower case. */
  readonly passHeaders: readonly string[]
  /** A token of an OAuth issuer must carry these here, besides those of its issuer. */
  readonly scopes: readonly string[]
  /** The decision log keeps the arguments of its calls, not only their names. */
  readonly recordsArguments: boolean
  /** What it says about its tools in annotations is believed also where that makes them milder. */
  readonly isTrusted: boolean
  readonly upstream: UpstreamConfig
}

export interface PolicyFile {
  /** Absolute. */
  readonly path: string
  /** As people know it, from where they are. */
  readonly name: string
  readonly text: string
}

const serverNameShape = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9_-]{0,63}$/,
    says(
      'a server name has 1 to 64 of a-z 0-9 _ -',
      'rename it; the name is part of its address /mcp/<name>',
    ),
  )
/** They belong to one connection, or are made by the gateway itself. */
const neverPassed =
  /^(authorization|cookie|host|connection|content-length|transfer-encoding|te|trailer|upgrade|expect|forwarded|origin|referer|via|keep-alive|content-encoding|accept-encoding|proxy-.*|sec-.*|x-forwarded-.*|x-real-ip|mcp-.*)$/

const passHeaderShape = z
  .string()
  // RFC 9110, section 5.1.
  .regex(
    /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}$/,
    says('this is not the name of a header', 'write one name in each entry'),
  )
  .transform((name) => name.toLowerCase())
  .refine(
    (name) => !neverPassed.test(name),
    says(
      'this header never passes from a client to a server',
      'remove it; what the gateway itself presents there is set under `headers`',
    ),
  )
const serverShape = z.strictObject({
  ...upstreamShape.shape,
  policy: z.string().min(1, says('the path is empty', 'write one, or remove the line')).optional(),
  approvers: z
    .array(z.string())
    .min(
      1,
      says('nobody is named', 'name a person or a group, or remove the line: then everybody may decide'),
    )
    .optional(),
  self_confirm: z.boolean().optional(),
  pass_headers: z.array(passHeaderShape).optional(),
  scopes: scopesShape.optional(),
  record: z.enum(['keys', 'full']).optional(),
  trusted: z.boolean().optional(),
  methods: z
    .array(
      z
        .string()
        .regex(
          /^[A-Za-z0-9$_.-]+(\/[A-Za-z0-9$_.-]+)*$/,
          says(
            'this is not a JSON-RPC method name',
            'write it as `vendor/thing`; patterns are not supported',
          ),
        ),
    )
    .optional(),
})

export function readServer(
  document: Document,
  name: string,
  known: Known,
  context: UpstreamContext,
): Result<ServerConfig, Problem[]> {
  const path = ['servers', name]
  const shape = checkShape(document, serverShape, path)
  const checkedName = checkName(document, path, serverNameShape)
  const problems: Problem[] = checkedName.ok ? [] : [...checkedName.error]
  if (!shape.ok) return err([...problems, ...shape.error])
  const server = shape.value

  const upstream = readUpstream(document, path, server, context)
  if (!upstream.ok) problems.push(...upstream.error)

  let policy: Policy = askForEverything
  let policyFile: PolicyFile | null = null
  let notes: readonly Problem[] = []
  if (server.policy !== undefined) {
    const place = [...path, 'policy']
    const read = readPolicyAt(server.policy, context, known)
    if (read.ok) {
      policy = read.value.policy
      policyFile = read.value.policyFile
      notes = read.value.notes
    } else {
      // A policy that cannot be opened is a mistake in this file; one that cannot be read, a mistake in its own.
      const unplaced = read.error.filter((problem) => problem.line === null)
      problems.push(...read.error.filter((problem) => problem.line !== null))
      problems.push(
        ...unplaced.map(({ file, message, remedy }) =>
          problemAt(document, place, `${file}: ${message}`, remedy),
        ),
      )
    }
  }

  const named = readNamed(document, [...path, 'approvers'], server.approvers ?? [], known)
  if (!named.ok) problems.push(...named.error)
  server.methods?.forEach((method, index) => {
    if (method !== 'tools/call') return
    const message = '`tools/call` is what the policy decides about; it never passes by itself'
    problems.push(problemAt(document, [...path, 'methods', index], message, 'remove it'))
  })
  if (problems.length > 0 || !upstream.ok || !named.ok) return err(problems)

  const everybody = server.approvers === undefined
  return ok({
    name,
    rules: {
      policy,
      approvers: {
        groups: named.value.groups,
        people: everybody ? known.people : named.value.people,
        // The local person is alone and could otherwise decide nothing; configured people opt in.
        selfConfirm: server.self_confirm ?? known.isLocal,
      },
    },
    policyFile,
    notes,
    extraMethods: server.methods ?? [],
    passHeaders: server.pass_headers ?? [],
    scopes: server.scopes ?? [],
    recordsArguments: server.record === 'full',
    isTrusted: server.trusted ?? false,
    upstream: upstream.value,
  })
}

/** @param written the path as the file has it, which is also the name under which approvals remember the policy */
function readPolicyAt(
  written: string,
  context: UpstreamContext,
  known: Known,
): Result<PolicyReading & { policyFile: PolicyFile }, Problem[]> {
  const path = resolve(context.directory, written)
  const name = context.nameOf(path)
  const read = readTextFile(path, name)
  if (!read.ok) return read
  const reading = readPolicyWithNotes(name, read.value, known)
  if (!reading.ok) return reading
  const { policy, notes } = reading.value
  return ok({ policy: { ...policy, source: written }, notes, policyFile: { path, name, text: read.value } })
}
