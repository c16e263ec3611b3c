/** Checks a part of a document against a Zod schema and says each deviation as a problem with its place and a remedy. */
import { z } from 'zod'
import type { JsonValue } from '../domain/canonical.ts'
import { didYouMean } from '../domain/did-you-mean.ts'
import { err, ok, type Result } from '../domain/result.ts'
import type { Document, Path, Place } from './document.ts'
import { pointer } from './document.ts'
import type { Problem } from './problem.ts'

/** A schema's own message carries its remedy on a second line. */
export const says = (message: string, remedy: string): string => `${message}\n${remedy}`

export function checkShape<Schema extends z.ZodType>(
  document: Document,
  schema: Schema,
  path: Path = [],
): Result<z.output<Schema>, Problem[]> {
  const checked = schema.safeParse(document.get(path))
  if (checked.success) return ok(checked.data)
  return err(
    checked.error.issues.flatMap((issue): Problem[] => {
      const below = issue.path.map((step) => (typeof step === 'symbol' ? step.toString() : step))
      const where = [...path, ...below]
      if (issue.code === 'unrecognized_keys') {
        const known = keysAt(schema, below)
        return issue.keys.map((key) => {
          const remedy = didYouMean(key, known) ?? `known keys here: ${known.join(', ')}`
          return problemAtKey(document, [...where, key], `unknown key "${key}"`, remedy)
        })
      }
      if (issue.code === 'invalid_key') {
        const [message, remedy] = split(issue.issues[0]?.message ?? 'this name is not allowed')
        return [problemAtKey(document, where, message, remedy)]
      }
      return [problemAt(document, where, ...explain(issue, document.get(where), where))]
    }),
  )
}

export function problemAt(document: Document, path: Path, message: string, remedy: string): Problem {
  return problem(document, document.at(path), path, message, remedy)
}

export function problemAtKey(document: Document, path: Path, message: string, remedy: string): Problem {
  return problem(document, document.keyAt(path), path, message, remedy)
}

function problem(document: Document, place: Place, path: Path, message: string, remedy: string): Problem {
  return { file: document.file, ...place, path: pointer(path), message, remedy }
}

/** The keys a schema knows at a path, for remedies. */
function keysAt(schema: unknown, path: Path): string[] {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable) return keysAt(schema.unwrap(), path)
  const [step, ...rest] = path
  if (schema instanceof z.ZodObject) {
    return step === undefined ? Object.keys(schema.shape) : keysAt(schema.shape[step], rest)
  }
  if (schema instanceof z.ZodRecord) return keysAt(schema.valueType, rest)
  if (schema instanceof z.ZodArray) return keysAt(schema.element, rest)
  return []
}

function explain(issue: z.core.$ZodIssue, value: JsonValue | undefined, path: Path): [string, string] {
  const last = path.at(-1)
  const name = last === undefined ? 'the file' : typeof last === 'string' ? `"${last}"` : 'this entry'
  switch (issue.code) {
    case 'invalid_type': {
      const expected = words[issue.expected] ?? issue.expected
      if (value === undefined) return [`${name} is missing`, `add it: ${expected}`]
      if (issue.expected === 'string' && value !== null && typeof value !== 'object') {
        return [`${name} must be ${expected}, not ${kindOf(value)}`, 'put it in quotes']
      }
      return [`${name} must be ${expected}, not ${kindOf(value)}`, `write ${expected}`]
    }
    case 'invalid_value': {
      const choices = issue.values.map(String)
      const list = `write one of: ${[...new Set(choices)].join(', ')}`
      if (value === undefined) return [`${name} is missing`, list]
      if (typeof value !== 'string') return [`${name} cannot be ${kindOf(value)}`, list]
      return [`${name} cannot be "${value.slice(0, 64)}"`, didYouMean(value, choices) ?? list]
    }
    default:
      return split(issue.message)
  }
}

function split(message: string): [message: string, remedy: string] {
  const [text = '', remedy = 'correct the value'] = message.split('\n')
  return [text, remedy]
}

const words: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map of keys and values',
  record: 'a map of names and values',
}

function kindOf(value: JsonValue): string {
  if (value === null) return 'empty'
  if (Array.isArray(value)) return 'a list'
  switch (typeof value) {
    case 'string':
      return 'text'
    case 'number':
      return 'a number'
    case 'boolean':
      return 'true or false'
    default:
      return 'a map'
  }
}
