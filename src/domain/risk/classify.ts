/**
 * Category and level of a tool, from what its server says about it, by fixed rules and word lists: the same tool always gets the
 * same answer, and the answer comes with its evidence. Everything read here was written by a stranger. So words and annotations
 * can only make a tool look worse than the mildest reading; and where nothing speaks, the tool is critical.
 */
import type { JsonObject, JsonValue } from '../canonical.ts'
import { type Category, type Risk, risks, type ToolFacts, unknownTool } from '../risk.ts'
import { type Evidence, RUNS_SQL, worseCategory, worseRisk } from './evidence.ts'
import { asInBrowser, evidenceOfName, informationInName } from './name.ts'
import { evidenceOfProse, moneyInProse } from './prose.ts'
import { evidenceOfSchema } from './schema.ts'

/** A tool as `tools/list` has it; anything may be missing or of another type. */
export type ListedTool = Readonly<Record<string, JsonValue>>

export interface Classification extends ToolFacts {
  /** The words that decided first. Empty for a tool of which nothing is known. */
  readonly evidence: readonly Evidence[]
}

/** Member of the stand-in for a definition that cannot be kept: nothing is known of such a tool, whatever its name says. */
export const UNKEPT = 'dev.holdpoint/unkept'

/** @param isTrusted what this server says about its tools in annotations is believed also where it makes them milder */
export function classify(tool: ListedTool, { isTrusted }: { isTrusted: boolean }): Classification {
  if (tool[UNKEPT] !== undefined) return { ...unknownTool, evidence: [] }
  const name = text(tool.name)
  const annotations = isObject(tool.annotations) ? tool.annotations : {}
  const proseFields = [
    ['title', text(tool.title)],
    ['annotations/title', text(annotations.title)],
    ['description', text(tool.description)],
  ] as const
  const said = asInBrowser(name, [
    ...evidenceOfName(name, 'name'),
    ...(/[\u3041-\u9FFF\uAC00-\uD7A3]/.test(name) ? evidenceOfProse(name, 'name', true) : []),
    ...proseFields.flatMap(([field, prose]) =>
      prose === '' ? [] : evidenceOfProse(prose, field, field !== 'description'),
    ),
    ...moneyInProse(text(tool.description), 'description'),
  ])
  const schema = evidenceOfSchema(tool.inputSchema)
  const doing = [...said, ...schema].some(({ category }) => category !== null) ? [] : informationInName(name)
  const offers = schema.some(({ rule, category }) => rule === 'operation-offered' && category !== null)
  const words = [...said, ...doing, ...schema].filter(({ isVague }) => !(isVague && offers))
  return settle(words, annotations, { isTrusted, description: text(tool.description) })
}

function settle(
  words: readonly Evidence[],
  annotations: JsonObject,
  { isTrusted, description }: { isTrusted: boolean; description: string },
): Classification {
  const hints = evidenceOfHints(annotations)
  const said = words.flatMap(({ category }) => (category === null ? [] : [category]))
  if (said.length === 0) {
    const believed = isTrusted ? hintOfTrusted(annotations) : null
    if (believed !== null)
      return { category: believed.category ?? 'read', risk: believed.risk, evidence: [believed] }
    return { ...unknownTool, evidence: hints }
  }

  let category = said.reduce(worseCategory)
  const hasMoney = words.some(({ rule }) => rule === 'money-in-name')
  const takesMoney = words.some(({ rule }) => rule === 'money-argument')
  const isSoft = !words.some((one) => one.category === 'destructive' && one.risk === 'critical')
  // Ending a subscription is about money before it is about deleting; deleting an invoice is the other way round.
  if (category === 'destructive' && hasMoney && isSoft) category = 'financial'
  if (category === 'write' && takesMoney) category = 'financial'

  // What raises the level of a change says little about a look: reading something from an address is not reaching people.
  const counted = words.filter((one) => counts(one, category))
  let risk = counted
    .filter((one) => one.category === category || one.category === null)
    .reduce<Risk>((worst, one) => worseRisk(worst, one.risk), 'low')
  if (category === 'financial') risk = worseRisk(risk, 'high')
  if (category === 'destructive') risk = worseRisk(risk, 'high')
  if (category === 'write') {
    risk = worseRisk(risk, 'medium')
    if (words.some(({ rule }) => rule === 'local-file-argument')) risk = worseRisk(risk, 'high')
    if (words.some(({ rule }) => rule === 'people-argument')) risk = worseRisk(risk, 'high')
  }
  const evidence = inOrder(counted, category)

  // A claim to read only makes SQL less bad, not harmless: whether the server enforces it, nobody here can see.
  const isSql = counted
    .filter(({ risk: level }) => level === 'critical')
    .every(({ reason }) => reason === RUNS_SQL)
  if (
    category === 'execute' &&
    risk === 'critical' &&
    isSql &&
    readOnlyClaim.test(description.slice(0, 2_000))
  )
    risk = 'high'

  for (const hint of hints) {
    if (hint.rule === 'destructive-hint') {
      if (category === 'read') category = 'write'
      risk = worseRisk(risk, hint.risk)
      evidence.push(hint)
    } else if (category === 'read') {
      category = 'write'
      risk = worseRisk(risk, hint.risk)
      evidence.push(hint)
    }
  }
  const believed =
    isTrusted && (category === 'write' || category === 'read') ? hintOfTrusted(annotations) : null
  if (believed !== null && believed.category === 'read') {
    return { category: 'read', risk: believed.risk, evidence: [believed, ...evidence] }
  }
  return { category, risk, evidence: unique(evidence) }
}

const readOnlyClaim = /read[- ]?only|읽기 전용|読み取り専用|只读/iu

function counts({ rule, category }: Evidence, settled: Category): boolean {
  if (category !== null) return true
  if (settled !== 'read') return rule !== 'address-argument'
  return rule !== 'people-argument' && rule !== 'force-argument' && rule !== 'money-argument'
}

/** Annotations are a stranger's word: these two admit something. */
function evidenceOfHints(annotations: JsonObject): Evidence[] {
  const evidence: Evidence[] = []
  if (annotations.destructiveHint === true && annotations.readOnlyHint !== true) {
    const reason = 'the server itself says that it may destroy something'
    const field = 'annotations/destructiveHint'
    evidence.push({
      field,
      quote: 'true',
      rule: 'destructive-hint',
      reason,
      category: null,
      risk: 'high',
      isVague: false,
    })
  }
  if (annotations.readOnlyHint === false) {
    const reason = 'the server itself says that it changes something'
    const field = 'annotations/readOnlyHint'
    evidence.push({
      field,
      quote: 'false',
      rule: 'not-read-only-hint',
      reason,
      category: null,
      risk: 'medium',
      isVague: false,
    })
  }
  return evidence
}

function hintOfTrusted(annotations: JsonObject): Evidence | null {
  const reason = 'a server marked as trusted says so'
  if (annotations.readOnlyHint === true) {
    const field = 'annotations/readOnlyHint'
    return {
      field,
      quote: 'true',
      rule: 'trusted-hint',
      reason,
      category: 'read',
      risk: 'low',
      isVague: false,
    }
  }
  if (annotations.readOnlyHint === false && annotations.destructiveHint === false) {
    const field = 'annotations/destructiveHint'
    return {
      field,
      quote: 'false',
      rule: 'trusted-hint',
      reason,
      category: 'write',
      risk: 'medium',
      isVague: false,
    }
  }
  return null
}

/** What decided first: of the settled category, then what raised its level, each the worst first. */
function inOrder(evidence: readonly Evidence[], settled: Category): Evidence[] {
  const place = ({ category, risk }: Evidence) =>
    (category === settled ? 0 : category === null ? 10 : 20) - risks.indexOf(risk)
  return [...evidence].sort((a, b) => place(a) - place(b))
}

/** The same words may stand in the name, the title and the description. People are shown each once, and not more than they read. */
const EVIDENCE_MAX = 12

function unique(evidence: readonly Evidence[]): Evidence[] {
  const seen = new Set<string>()
  return evidence
    .filter(({ quote, rule, category }) => {
      const key = `${rule} ${category} ${quote.toLowerCase()}`
      return seen.has(key) ? false : seen.add(key)
    })
    .slice(0, EVIDENCE_MAX)
}

const text = (value: JsonValue | undefined): string => (typeof value === 'string' ? value : '')

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
