/** The names of people and groups that a configuration file writes, and what is said about one that nobody has. */
import type { z } from 'zod'
import { didYouMean } from '../domain/did-you-mean.ts'
import { err, ok, type Result } from '../domain/result.ts'
import type { Document, Path } from './document.ts'
import type { Problem } from './problem.ts'
import { problemAt, problemAtKey } from './shape.ts'

/** Of one file; each name counts as known even where its entry is broken. */
export interface Known {
  readonly people: readonly string[]
  readonly groups: readonly string[]
  readonly agents: readonly string[]
  readonly servers: readonly string[]
  /** Agents may come with tokens of other issuers. */
  readonly hasIssuers: boolean
  /** How long a call waits for a decision where no rule says. */
  readonly decisionMs: number
  /** Nobody is configured; the local person stands in. */
  readonly isLocal: boolean
}

/** People, by themselves and by their groups. */
export interface Named {
  readonly people: readonly string[]
  readonly groups: readonly string[]
}

export function readNamed(
  document: Document,
  path: Path,
  names: readonly string[],
  known: Known,
): Result<Named, Problem[]> {
  const problems = names.flatMap((name, index) => {
    if (known.groups.includes(name) || known.people.includes(name)) return []
    const candidates = [...known.people, ...known.groups]
    const remedy = didYouMean(name, candidates) ?? 'add it under `people` or `groups`'
    return [problemAt(document, [...path, index], `"${name}" is neither a person nor a group`, remedy)]
  })
  if (problems.length > 0) return err(problems)
  return ok({
    groups: names.filter((name) => known.groups.includes(name)),
    people: names.filter((name) => !known.groups.includes(name)),
  })
}

/** A key that is a name. */
export function checkName(
  document: Document,
  path: Path,
  shape: z.ZodType<string>,
): Result<string, Problem[]> {
  const checked = shape.safeParse(path.at(-1))
  if (checked.success) return ok(checked.data)
  const [message = '', remedy = ''] = checked.error.issues[0]?.message.split('\n') ?? []
  return err([problemAtKey(document, path, message, remedy)])
}

export function unknownPerson(document: Document, path: Path, name: string, known: Known): Problem {
  const remedy = known.groups.includes(name)
    ? 'name a person; a group cannot stand here'
    : (didYouMean(name, known.people) ?? `add "${name}" under \`people\``)
  return problemAt(document, path, `nobody under \`people\` is called "${name}"`, remedy)
}
