/**
 * Reads a server's policy in any of its spellings. Nothing is half-loaded, and what this version cannot enforce is
 * refused rather than ignored: a rule that looks as if it protected and does not is worse than none.
 *
 * `policies/README.md` describes the language.
 */
import { z } from 'zod'
import { CLI } from '../domain/command-line.ts'
import { isExact } from '../domain/policy/glob.ts'
import type { Action, Rule } from '../domain/policy/rule.ts'
import type { Fallback, Policy, Spelling } from '../domain/policy.ts'
import { err, ok, type Result } from '../domain/result.ts'
import { type Path, pointer, readDocument } from './document.ts'
import { refuseUncounted } from './policy/counters.ts'
import { readAllTools, readHostedTool } from './policy/hosted.ts'
import { readIntercept } from './policy/intercept.ts'
import { noteOddities } from './policy/oddities.ts'
import { plainRule, readLists, readRules, readTool } from './policy/own.ts'
import { createReader, type KnownNames, type Reader } from './policy/reader.ts'
import { readShadow } from './policy/shadow.ts'
import { actionShape, nameError, namePattern, nameShape, topShape } from './policy/shapes.ts'
import type { Problem } from './problem.ts'

/** What an empty policy would most likely have meant. */
const ifEmpty = 'write `default: require_approval`, which asks about every call'

export interface PolicyReading {
  readonly policy: Policy
  /** What loads and deserves a word. */
  readonly notes: readonly Problem[]
}

type Known = Pick<KnownNames, 'people' | 'groups'>
/** What only notes are about. */
const unnoted = { agents: [], servers: [], hasIssuers: false, decisionMs: Infinity }

/**
 * The policy alone; what is probably not meant is not looked for.
 *
 * @param file the name people know; it becomes `source`, and the name in problems
 * @param known whom rules may name; `null`: nobody knows, and names are not checked
 */
export function readPolicy(
  file: string,
  text: string,
  known: Known | null = null,
): Result<Policy, Problem[]> {
  const read = readParts(file, text, known === null ? null : { ...known, ...unnoted })
  return read.ok ? ok(read.value.policy) : read
}

/**
 * A text that was put in force before. What it does is known and goes on: a mistake that only later versions find is no reason to
 * leave a server without rules. It is refused when that text is put in force again.
 */
export function readPolicyInForce(file: string, text: string): Result<Policy, Problem[]> {
  const read = readParts(file, text, null, true)
  return read.ok ? ok(read.value.policy) : read
}

/** As `readPolicy`, with what loads and deserves a word. */
export function readPolicyWithNotes(
  file: string,
  text: string,
  known: KnownNames | null = null,
): Result<PolicyReading, Problem[]> {
  const read = readParts(file, text, known)
  if (!read.ok) return read
  const { reader, policy } = read.value
  noteOddities(reader, policy)
  return ok({ policy, notes: reader.notes })
}

function readParts(
  file: string,
  text: string,
  known: KnownNames | null,
  isInForce = false,
): Result<{ readonly policy: Policy; readonly reader: Reader }, Problem[]> {
  const read = readDocument(file, text, ifEmpty, isInForce)
  if (!read.ok) return read
  const reader = createReader(read.value, known, isInForce)
  reader.check(topShape, [])
  const action = reader.check(actionShape.optional(), ['default']) ?? null
  const hidden = reader.check(z.array(nameShape).optional(), ['hide']) ?? []

  const entries = readEntries(reader)
  const spelling = spellingOf(reader, entries)
  const { rules, shadow } = readShadow(reader, [
    ...readTools(reader, entries, action),
    ...readAllTools(reader),
    ...readLists(reader),
    ...readRules(reader),
  ])
  refuseSecondRules(reader, rules)
  refuseUncounted(reader, rules)
  if (reader.problems.length > 0) return err([...reader.problems])

  const policy: Policy = {
    source: file,
    spelling,
    fallback: fallbackOf(action, spelling),
    rules,
    shadow,
    hidden: new Set(hidden),
  }
  return ok({ policy, reader })
}

interface Entry {
  readonly tool: string
  readonly path: Path
  readonly keys: readonly string[]
  readonly isNothing: boolean
}

/** The entries under `tools`, as far as they are entries at all. */
function readEntries(reader: Reader): Entry[] {
  const written = reader.check(z.record(z.string(), z.unknown()).optional(), ['tools']) ?? {}
  return Object.entries(written).flatMap(([tool, entry]) => {
    const path = ['tools', tool]
    if (!namePattern.test(tool)) {
      const [message = '', remedy = ''] = nameError.split('\n')
      reader.refuseKey(path, message, remedy)
      return []
    }
    if (entry === null) {
      reader.refuseKey(path, `"${tool}" says nothing`, 'write { action: allow }, or remove the line')
      return []
    }
    if (typeof entry !== 'object' || Array.isArray(entry)) {
      reader.check(z.strictObject({}), path)
      return []
    }
    const keys = Object.keys(entry)
    return [{ tool, path, keys, isNothing: keys.length === 0 }]
  })
}

const hostedKeys = ['require', 'deny_if', 'limits']

/** What an entry is written in; `null` where it could be any. */
function spellingOfEntry({ keys }: Entry): Spelling | null {
  if (keys.includes('rules')) return 'intercept'
  if (keys.some((key) => hostedKeys.includes(key))) return 'hosted'
  return keys.length === 0 ? null : 'per-tool'
}

/** One file, one language: `default` means something else in each. */
function spellingOf(reader: Reader, entries: readonly Entry[]): Spelling {
  const { document } = reader
  const seen = new Map<Spelling, Path>()
  if (document.get(['all_tools']) !== undefined) seen.set('hosted', ['all_tools'])
  for (const entry of entries) {
    const spelling = spellingOfEntry(entry)
    if (spelling !== null && !seen.has(spelling)) seen.set(spelling, entry.path)
  }
  const own = ['rules', 'allow', 'deny', 'require_approval', 'shadow'].find(
    (key) => document.get([key]) !== undefined,
  )
  const [first, second] = [...seen]
  if (first !== undefined && second !== undefined) {
    const message = `this entry is written as ${named[second[0]]}, ${pointer(first[1])} as ${named[first[0]]}`
    reader.refuseKey(second[1], message, 'keep to one of them in one file')
  }
  if (own !== undefined && first !== undefined && first[0] !== 'per-tool') {
    const message = `\`${own}\` is Holdpoint's own, and ${pointer(first[1])} is ${named[first[0]]}`
    reader.refuseKey(
      [own],
      message,
      `keep to one of them in one file; \`${CLI} policy convert\` rewrites the other`,
    )
  }
  if (own !== undefined) return 'holdpoint'
  if (first !== undefined && first[0] !== 'per-tool') return first[0]
  if (first === undefined) return document.get(['version']) === undefined ? 'holdpoint' : 'hosted'
  const perTool = ['action', 'reason', 'rate_limit']
  const isPlain = entries.every(({ keys }) => keys.every((key) => perTool.includes(key)))
  return isPlain ? 'per-tool' : 'holdpoint'
}

/** How people know the spellings. */
export const named: Readonly<Record<Spelling, string>> = {
  holdpoint: "Holdpoint's own",
  hosted: "PolicyLayer's hosted JSON",
  'per-tool': "PolicyLayer's per-tool form",
  intercept: 'PolicyLayer Intercept',
}

function readTools(reader: Reader, entries: readonly Entry[], action: Action | null): Rule[] {
  const intercept = entries.filter((entry) => spellingOfEntry(entry) === 'intercept').map(({ tool }) => tool)
  return [
    ...readIntercept(reader, intercept),
    ...entries.flatMap((entry) => {
      const { tool, path, isNothing } = entry
      if (isNothing) return readBare(reader, entry, action)
      if (tool.includes('*') && spellingOfEntry(entry) === 'hosted') {
        reader.refuseKey(
          path,
          'names are exact in the hosted spelling',
          'write limits for every tool under `all_tools`',
        )
        return []
      }
      switch (spellingOfEntry(entry)) {
        case 'hosted':
          return readHostedTool(reader, tool, path)
        case 'intercept':
          return []
        default: {
          const rule = readTool(reader, tool, path)
          return rule === null ? [] : [rule]
        }
      }
    }),
  ]
}

/** The hosted spelling, where listing a tool allows it, has a `default` of allow or deny. Without one nobody can know that this was meant. */
function readBare(reader: Reader, { tool, path }: Entry, action: Action | null): Rule[] {
  if (action === 'allow' || action === 'deny') return [plainRule('allow', tool, path)]
  const remedy =
    'write { action: allow }; only under `default: deny` or `default: allow` does {} allow a tool'
  reader.refuseKey(path, `"${tool}" has no action`, remedy)
  return []
}

function fallbackOf(action: Action | null, spelling: Spelling): Fallback {
  const pointer = '/default'
  if (action !== null) return { action, pointer, reason: null }
  // Intercept lets pass what it has no rule for, and says so in its documentation.
  if (spelling === 'intercept') return { action: 'allow', pointer, reason: null }
  return { action: 'require_approval', pointer, reason: 'no rule of the policy names this tool' }
}

/** Two rules for one exact name, each without a condition, are two answers to one question. */
function refuseSecondRules(reader: Reader, rules: readonly Rule[]) {
  const seen = new Map<string, { pointer: string }>()
  for (const rule of rules) {
    const [tool] = rule.tools
    const isFlat = /^\/(allow|deny|require_approval|tools)\//.test(rule.pointer) && rule.when === null
    if (!isFlat || tool === undefined || !isExact(tool) || rule.action === null) continue
    const earlier = seen.get(tool.source)
    const [, section = '', last = ''] = rule.pointer.split('/')
    const [, earlierSection, earlierTool] = earlier?.pointer.split('/') ?? []
    if (earlier === undefined) {
      seen.set(tool.source, rule)
    } else if (section !== 'tools' || earlierSection !== 'tools' || earlierTool !== last) {
      const at =
        section === 'tools'
          ? [section, tool.source]
          : [section, /^\d+$/.test(last) ? Number(last) : tool.source]
      const message = `the tool "${tool.source}" has a rule already, at ${earlier.pointer}`
      reader.refuse(at, message, 'keep one of the two')
    }
  }
}
