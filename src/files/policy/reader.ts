/** Reads the parts of one document and collects what is wrong with them, so that all of it is said at once. */
import type { z } from 'zod'
import type { Tally } from '../../domain/policy/tally.ts'
import { type Document, type Path, pointer } from '../document.ts'
import type { Problem } from '../problem.ts'
import { checkShape, problemAt, problemAtKey } from '../shape.ts'

/** Who there is by the configuration. */
export interface KnownNames {
  readonly people: readonly string[]
  readonly groups: readonly string[]
  /** Those that the file names; others may have been added since. */
  readonly agents: readonly string[]
  readonly servers: readonly string[]
  /** Whether agents may come with tokens of other issuers. */
  readonly hasIssuers: boolean
  /** How long a call waits for a decision where no rule says. */
  readonly decisionMs: number
}

/** A condition about a count that it does not keep itself. */
export interface AskedCount {
  readonly tally: Tally
  readonly at: Path
}

export interface Reader {
  readonly document: Document
  /** `null`: the policy is read by itself, and names cannot be checked. */
  readonly known: KnownNames | null
  /** A policy with problems does not load. */
  readonly problems: Problem[]
  /** What loads and deserves a word: `holdpoint validate` says it. */
  readonly notes: Problem[]
  readonly askedCounts: AskedCount[]
  /** `null` where the part does not have the shape; the problems are collected. */
  check<Schema extends z.ZodType>(schema: Schema, path: Path): z.output<Schema> | null
  refuse(path: Path, message: string, remedy: string): null
  refuseKey(path: Path, message: string, remedy: string): null
  /** Refuses what loads by its form and cannot have been meant; a policy that is in force already goes on as it did. */
  mistake(path: Path, message: string, remedy: string): void
  note(path: Path, message: string, remedy: string): void
  /** At the first place it is true of, where it would be the same word everywhere. */
  noteOnce(path: Path, message: string, remedy: string): void
}

/** @param isInForce the text was put in force before, perhaps by a version that found less */
export function createReader(document: Document, known: KnownNames | null, isInForce = false): Reader {
  const problems: Problem[] = []
  const notes: Problem[] = []
  return {
    document,
    known,
    problems,
    notes,
    askedCounts: [],
    check(schema, path) {
      const checked = checkShape(document, schema, path)
      if (checked.ok) return checked.value
      problems.push(...checked.error)
      return null
    },
    refuse(path, message, remedy) {
      problems.push(problemAt(document, path, message, remedy))
      return null
    },
    refuseKey(path, message, remedy) {
      problems.push(problemAtKey(document, path, message, remedy))
      return null
    },
    mistake(path, message, remedy) {
      if (!isInForce) problems.push(problemAt(document, path, message, remedy))
    },
    note(path, message, remedy) {
      // One word about one place is enough.
      const at = pointer(path)
      if (notes.some((note) => note.path === at && note.message === message)) return
      notes.push(problemAtKey(document, path, message, remedy))
    },
    noteOnce(path, message, remedy) {
      if (notes.some((note) => note.message === message)) return
      notes.push(problemAtKey(document, path, message, remedy))
    },
  }
}
