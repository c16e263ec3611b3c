/**
 * What a tool's arguments say about it: SQL, commands and code to run, operations to choose from, amounts with a currency, files of
 * the machine, addresses of other people. Nothing is fetched (MCP: clients MUST NOT follow a `$ref` to the network) and the walk is bounded.
 */
import type { JsonObject, JsonValue } from '../canonical.ts'
import { wordsOf } from './english.ts'
import { type Evidence, quoted, RUNS_SQL } from './evidence.ts'
import { evidenceOfName } from './name.ts'

/** The largest of 860 tools of public servers has 60; what has more cannot be looked through by a person either. */
const PROPERTIES_MAX = 400
/** Arguments inside arguments; deeper ones are data. */
const DEPTH_MAX = 12
/** Argument names are words; a longer one is an attack on whoever looks through it. */
const NAME_LENGTH_MAX = 128
/** Operations that one argument offers. */
const CHOICES_MAX = 100

interface Property {
  readonly name: string
  /** Of the name, with a blank between. */
  readonly words: string
  readonly field: string
  readonly schema: JsonObject
}

export function evidenceOfSchema(inputSchema: JsonValue | undefined): Evidence[] {
  const properties: Property[] = []
  const isComplete = walk(inputSchema, 'inputSchema', 0, properties)
  const evidence = properties.flatMap((property) => [
    ...codeIn(property),
    ...choicesIn(property),
    ...reachOf(property),
  ])
  evidence.push(...money(properties), ...pathsIn(properties))
  if (!isComplete) {
    const reason = 'is larger than anyone looks through, so that what it takes is unknown'
    evidence.push({
      field: 'inputSchema',
      quote: '',
      rule: 'schema-too-large',
      reason,
      category: null,
      risk: 'high',
      isVague: false,
    })
  }
  return evidence
}

/** @returns whether everything was seen */
function walk(schema: JsonValue | undefined, field: string, depth: number, into: Property[]): boolean {
  if (!isObject(schema)) return true
  if (depth > DEPTH_MAX) return false
  // What a reference means is not here (MCP: clients MUST NOT fetch one); a local one only repeats what stands in the same schema.
  let isComplete = typeof schema.$ref !== 'string' || schema.$ref.startsWith('#')
  const { properties, items } = schema
  if (isObject(properties)) {
    for (const [name, value] of Object.entries(properties)) {
      if (into.length >= PROPERTIES_MAX) return false
      const at = `${field}/properties/${name.slice(0, 64)}`
      into.push({
        name,
        words: wordsOf(name.slice(0, NAME_LENGTH_MAX)).join(' '),
        field: at,
        schema: isObject(value) ? value : {},
      })
      isComplete = walk(value, at, depth + 1, into) && isComplete
    }
  }
  isComplete = walk(items, `${field}/items`, depth + 1, into) && isComplete
  for (const key of ['$defs', 'definitions'] as const) {
    const shared = schema[key]
    if (!isObject(shared)) continue
    for (const [name, value] of Object.entries(shared)) {
      if (into.length >= PROPERTIES_MAX) return false
      isComplete = walk(value, `${field}/${key}/${name.slice(0, 64)}`, depth + 1, into) && isComplete
    }
  }
  for (const key of ['anyOf', 'oneOf', 'allOf'] as const) {
    const branches = schema[key]
    if (!Array.isArray(branches)) continue
    if (branches.length > CHOICES_MAX) isComplete = false
    for (const [index, branch] of branches.slice(0, CHOICES_MAX).entries()) {
      isComplete = walk(branch, `${field}/${key}/${index}`, depth + 1, into) && isComplete
    }
  }
  return isComplete
}

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const codeNames = new Set([
  'sql',
  'command',
  'cmd',
  'shell',
  'script',
  'bash',
  'powershell',
  'javascript',
  'commands',
])
/** Names that mean code only where their description says so. */
const maybeCodeNames = new Set([
  'code',
  'function',
  'expression',
  'statement',
  'statements',
  'program',
  'snippet',
])
/** A query is a look, unless it is written in a language that can do anything. */
const saysSql = /\bSQL\b(?!-like)/iu
const saysCode =
  /\b(?:java ?script|typescript|python|sql|shell|code (?:to|snippet)|script|executed?|evaluated?)\b|실행|実行|执行/iu

function codeIn({ name, words, field, schema }: Property): Evidence[] {
  const last = words.slice(words.lastIndexOf(' ') + 1)
  const isFree = schema.enum === undefined && schema.const === undefined
  const takesText =
    schema.type === undefined ||
    schema.type === 'string' ||
    schema.type === 'array' ||
    Array.isArray(schema.type)
  if (!isFree || !takesText) return []
  const description = typeof schema.description === 'string' ? schema.description.slice(0, 300) : ''
  const isSql = last === 'sql' || (/^quer(?:y|ies)$/.test(last) && saysSql.test(description))
  if (!isSql && !codeNames.has(last) && !(maybeCodeNames.has(last) && saysCode.test(description))) return []
  const reason = isSql ? RUNS_SQL : 'takes code or commands that the caller writes'
  return [
    {
      field,
      quote: quoted(name),
      rule: 'code-argument',
      reason,
      category: 'execute',
      risk: 'critical',
      isVague: false,
    },
  ]
}

const choiceNames = new Set([
  'action',
  'operation',
  'op',
  'method',
  'subcommand',
  'command',
  'mutation',
  'verb',
  'mode',
])

/** One tool with many operations is as bad as the worst of them. */
function choicesIn({ name, words, field, schema }: Property): Evidence[] {
  const last = words.replaceAll(' ', '')
  if (!choiceNames.has(last)) return []
  const choices = choicesOf(schema)
  const takesText = schema.type === undefined || schema.type === 'string'
  if (choices.length === 0 && takesText && last !== 'method' && last !== 'mode' && last !== 'command') {
    const reason = 'lets the caller name the operation, so that nobody knows which there are'
    const quote = quoted(name)
    return [
      { field, quote, rule: 'operation-open', reason, category: null, risk: 'critical', isVague: false },
    ]
  }
  return choices.flatMap((choice) =>
    evidenceOfName(choice, field).map((one) => ({
      ...one,
      quote: quoted(choice),
      rule: 'operation-offered',
    })),
  )
}

function choicesOf(schema: JsonObject): string[] {
  const branches = [schema.anyOf, schema.oneOf].flatMap((value) => (Array.isArray(value) ? value : []))
  const values = [
    ...(Array.isArray(schema.enum) ? schema.enum : []),
    ...branches.flatMap((branch) =>
      isObject(branch) ? [branch.const, ...(Array.isArray(branch.enum) ? branch.enum : [])] : [],
    ),
  ]
  return values.filter((value) => typeof value === 'string').slice(0, CHOICES_MAX)
}

const localFile =
  /^(?:local|output|save|download|upload|destination|target|source) ?(?:file )?(?:path|paths|dir|directory|folder|file)$|^file ?paths?$|^output (?:dir|path|file)$/
const recipients = new Set(['to', 'cc', 'bcc', 'recipient', 'recipients', 'attendees', 'invitees'])
const telling = /^(?:send )?(?:notifications?|updates)$|^notify\b|^mail notify$/
const harder = new Set([
  'force',
  'overwrite',
  'recursive',
  'permanent',
  'permanently',
  'purge',
  'hard delete',
  'allow dangerous',
])

/** How far the arguments reach. These say nothing about what a tool does; they raise its level. */
function reachOf({ name, words, field, schema }: Property): Evidence[] {
  const of = { field, quote: quoted(name), category: null, isVague: false }
  if (localFile.test(words)) {
    const reason = 'reads or writes files of the machine that the server runs on'
    return [{ ...of, rule: 'local-file-argument', reason, risk: 'medium' }]
  }
  if (/^(?:url|urls|uri|uris)$/.test(words)) {
    const reason = 'reaches any address, inside the network as well'
    return [{ ...of, rule: 'address-argument', reason, risk: 'medium', isVague: false }]
  }
  if (recipients.has(words) || telling.test(words)) {
    return [
      { ...of, rule: 'people-argument', reason: 'reaches other people', risk: 'medium', isVague: false },
    ]
  }
  if (harder.has(words) && (schema.type === undefined || schema.type === 'boolean')) {
    return [{ ...of, rule: 'force-argument', reason: 'switches a safety off', risk: 'high', isVague: false }]
  }
  return []
}

function money(properties: readonly Property[]): Evidence[] {
  const named = (pattern: RegExp) => properties.find(({ words }) => pattern.test(words))
  const amount = named(/(?:^| )(?:amount|price|total)$/)
  const currency = named(/(?:^| )currency(?: code)?$/)
  if (amount === undefined || currency === undefined) return []
  const reason = 'takes an amount and a currency'
  const quote = quoted(`${amount.name}, ${currency.name}`)
  return [
    {
      field: amount.field,
      quote,
      rule: 'money-argument',
      reason,
      category: null,
      risk: 'medium',
      isVague: false,
    },
  ]
}

/** `path` is a path of the machine unless something beside it says in which repository, bucket or site it lies. */
const containers =
  /^(?:owner|repo|repository|project|branch|bucket|site|workspace|drive|share)(?: id| key| name)?$/

function pathsIn(properties: readonly Property[]): Evidence[] {
  if (properties.some(({ words }) => containers.test(words))) return []
  const path = properties.find(
    ({ words, schema }) => /^paths?$/.test(words) && schema.properties === undefined,
  )
  if (path === undefined) return []
  const reason = 'reads or writes files of the machine that the server runs on'
  const { field, name } = path
  return [
    { field, quote: name, rule: 'path-argument', reason, category: null, risk: 'medium', isVague: false },
  ]
}
