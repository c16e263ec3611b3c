/**
 * What a server without a policy is offered: a policy from what its tools say about themselves, with the answer that each tool
 * would get and why. A person with authority over policies accepts it as it stands, by its digest, or writes another one.
 */
import type { JsonObject, JsonValue } from './canonical.ts'
import { evaluate, isHidden, type Policy } from './policy.ts'
import { textDigest } from './revision.ts'
import type { SeenTool } from './risk/drift.ts'
import { proposedPolicy, reasonOf } from './risk/proposed-policy.ts'
import { type ScannedTool, scanned } from './risk/scanned.ts'
import type { Category, Risk } from './risk.ts'

/** What a call of the tool would get. */
export type Treatment = 'allow' | 'ask' | 'deny' | 'hide'

export interface ProposedTool {
  readonly tool: string
  readonly title: string | null
  readonly category: Category | null
  readonly risk: Risk
  readonly gets: Treatment
  /** One sentence: what speaks for this category and level. */
  readonly why: string
}

export interface Proposal {
  readonly server: string
  /** YAML, as `policy apply` takes it. */
  readonly text: string
  /** SHA-256 of the text: whoever accepts names it, so that nobody accepts what they have not seen. */
  readonly digest: string
  /** The strictest treatment first, then the worst tools. */
  readonly tools: readonly ProposedTool[]
}

/** How such a policy is called in rules and revisions: it has no file. */
export const proposalSource = (server: string): string => `scan of ${server}`

/**
 * @param seen every tool of the server, as it was listed last
 * @param isTrusted what the server says about its tools in annotations is believed
 */
export function proposalText(server: string, seen: readonly SeenTool[], isTrusted: boolean): string {
  return proposedPolicy(
    scannedFrom(server, seen, isTrusted),
    'Proposed by Holdpoint from the tools that it lists.',
  )
}

/** @param policy what `proposalText` means */
export function proposalOf(
  server: string,
  seen: readonly SeenTool[],
  text: string,
  policy: Policy,
  isTrusted: boolean,
): Proposal {
  const tools = scannedFrom(server, seen, isTrusted).tools.map((tool) => proposed(server, tool, policy))
  return { server, text, digest: textDigest(text), tools: tools.toSorted(strictestFirst) }
}

function scannedFrom(server: string, seen: readonly SeenTool[], isTrusted: boolean) {
  return scanned(
    server,
    seen.map(({ text }) => definitionOf(text)),
    isTrusted,
  )
}

function definitionOf(text: string): JsonObject {
  const value: JsonValue = JSON.parse(text)
  return isObject(value) ? value : {}
}

const isObject = (value: JsonValue): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function proposed(server: string, tool: ScannedTool, policy: Policy): ProposedTool {
  const { name, title, category, risk } = tool
  const gets = treatmentOf(policy, server, tool)
  return { tool: name, title, category, risk, gets, why: reasonOf(tool) }
}

/** By the evaluator itself, so that what is shown is what would happen. */
function treatmentOf(policy: Policy, server: string, { name, category, risk }: ScannedTool): Treatment {
  if (isHidden(policy, name)) return 'hide'
  const nobody = { agent: '', owner: '', session: null, nowMs: 0 }
  const verdict = evaluate(policy, {
    server,
    tool: name,
    arguments: {},
    facts: { category, risk },
    ...nobody,
  })
  return verdict.kind === 'require_approval' ? 'ask' : verdict.kind
}

const order: readonly Treatment[] = ['hide', 'deny', 'ask', 'allow']
const strictestFirst = (a: ProposedTool, b: ProposedTool) => order.indexOf(a.gets) - order.indexOf(b.gets)
