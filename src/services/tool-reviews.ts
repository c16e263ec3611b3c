/**
 * The tools of servers for people: what each does and how bad that can be, which documented attacks use such access, what changed
 * since somebody accepted it, and accepting exactly what was looked at. And which rules of a server are only tried.
 */
import type { JsonObject, JsonValue } from '../domain/canonical.ts'
import type { Action, Rule } from '../domain/policy/rule.ts'
import type { Person } from '../domain/principal.ts'
import { type Attack, attacksOn } from '../domain/risk/attacks.ts'
import { type Classification, classify } from '../domain/risk/classify.ts'
import { type DiffLine, diffOf } from '../domain/risk/drift.ts'
import { risks } from '../domain/risk.ts'
import type { DecisionLog } from '../ports/decision-log.ts'
import type { Log } from '../ports/log.ts'
import type { Rules } from '../ports/rules.ts'
import type { ToolPin, ToolPins } from '../ports/tool-pins.ts'
import type { ToolCatalogue } from './tool-catalogue.ts'

export interface ToolReview extends Classification {
  readonly pin: ToolPin
  readonly title: string | null
  readonly description: string | null
  readonly attacks: readonly Attack[]
  /** Others of the server that can do the same kind of harm. */
  readonly related: readonly string[]
  /** Files of policies that come with Holdpoint and name it. */
  readonly readyPolicies: readonly string[]
  /** From what was accepted to what waits; empty where nothing waits. */
  readonly difference: readonly DiffLine[]
  /** The difference is longer than is shown. */
  readonly isCut: boolean
}

/** A rule in shadow, and how often it would have said something else lately. */
export interface TriedRule {
  readonly rule: string
  readonly action: Action
  readonly reason: string | null
  readonly calls: number
}

export interface ToolReviews {
  /** Servers with tools that changed or appeared, by name. */
  waiting(): readonly { readonly server: string; readonly tools: number }[]
  servers(): readonly string[]
  /** What waits first, then the worst. */
  ofServer(server: string): readonly ToolReview[]
  /** `null`: no such tool was seen. */
  show(server: string, tool: string): ToolReview | null
  /** `null`: the decision log does not answer. */
  tried(server: string): Promise<readonly TriedRule[] | null>
  mayAccept(person: Person, server: string): boolean
  /** @returns `false`: nothing with this digest waits any more */
  accept(server: string, tool: string, digest: string, person: Person): Promise<boolean>
}

const RELATED_MAX = 10
const TRIED_MS = 7 * 24 * 60 * 60 * 1000
/** Of the newest such calls; more are more than people count. */
const TRIED_CALLS_MAX = 1_000

export function createToolReviews(deps: {
  tools: Pick<ToolCatalogue, 'pins' | 'refresh'>
  toolPins: Pick<ToolPins, 'accept'>
  rules: Pick<Rules, 'of'>
  decisionLog: Pick<DecisionLog, 'list'>
  nowMs(): Promise<number>
  /** What this server says about its tools in annotations is believed. */
  isTrusted: (server: string) => boolean
  /** The policies that come with this package and name this tool. */
  readyFor(tool: string): readonly string[]
  mayAccept(person: Person, server: string): boolean
  log: Log
}): ToolReviews {
  const { tools, toolPins, rules, decisionLog, nowMs, isTrusted, readyFor, mayAccept, log } = deps
  /** A definition never changes; classifying hundreds of them at each look would. */
  const known = new Map<string, Classification>()

  function classified(server: string, digest: string, definition: JsonObject): Classification {
    const key = `${digest} ${isTrusted(server)}`
    const before = known.get(key)
    if (before !== undefined) return before
    if (known.size > 10_000) known.clear()
    const made = classify(definition, { isTrusted: isTrusted(server) })
    known.set(key, made)
    return made
  }

  function reviewOf(pin: ToolPin): ToolReview | null {
    const seen = pin.waiting ?? pin.accepted
    if (seen === null) return null
    const definition = parsed(seen.text)
    const classification = classified(pin.server, seen.digest, definition)
    const { lines, isComplete } =
      pin.waiting === null
        ? { lines: [], isComplete: true }
        : diffOf(pin.accepted?.text ?? null, pin.waiting.text)
    const { category, evidence } = classification
    return {
      ...{ pin, ...classification, difference: lines, isCut: !isComplete },
      title: text(definition.title),
      description: text(definition.description),
      attacks: attacksOn(
        category,
        evidence.map(({ rule }) => rule),
      ),
      related: tools
        .pins()
        .filter((other) => other.server === pin.server && other.tool !== pin.tool)
        .filter((other) => category !== null && (other.waiting ?? other.accepted)?.category === category)
        .map(({ tool }) => tool)
        .toSorted()
        .slice(0, RELATED_MAX),
      readyPolicies: readyFor(pin.tool),
    }
  }

  return {
    waiting() {
      const counts = new Map<string, number>()
      for (const { server, waiting } of tools.pins()) {
        if (waiting !== null) counts.set(server, (counts.get(server) ?? 0) + 1)
      }
      return [...counts].map(([server, count]) => ({ server, tools: count })).toSorted(byServer)
    },

    servers: () => [...new Set(tools.pins().map(({ server }) => server))].toSorted(),

    ofServer: (server) =>
      tools
        .pins()
        .filter((pin) => pin.server === server)
        .flatMap((pin) => reviewOf(pin) ?? [])
        .toSorted(worstFirst),

    show(server, tool) {
      const pin = tools.pins().find((one) => one.server === server && one.tool === tool)
      return pin === undefined ? null : reviewOf(pin)
    },

    async tried(server) {
      const policy = rules.of(server)?.policy
      if (policy === undefined || policy.shadow.length === 0) return []
      try {
        const fromMs = (await nowMs()) - TRIED_MS
        const lines = await decisionLog.list({
          ...{ fromMs, server, agent: null, owner: null, verdict: null, isTried: true, before: null },
          limit: TRIED_CALLS_MAX,
        })
        return policy.shadow.flatMap((rule) => triedRule(rule, `${policy.source}#${rule.pointer}`, lines))
      } catch (error) {
        log.warn({ err: error, server }, 'the decision log could not be read for rules that are only tried')
        return null
      }
    },

    mayAccept,

    async accept(server, tool, digest, person) {
      if (!mayAccept(person, server) || !(await toolPins.accept(server, tool, digest, person.id)))
        return false
      log.info({ server, tool, digest, person: person.id }, 'a person accepted the definition of a tool')
      await tools.refresh()
      return true
    },
  }
}

function triedRule(
  { action, reason }: Rule,
  rule: string,
  lines: readonly { readonly asIf: { readonly rule: string | null } | null }[],
): TriedRule[] {
  return action === null
    ? []
    : [{ rule, action, reason, calls: lines.filter((line) => line.asIf?.rule === rule).length }]
}

const byServer = (a: { server: string }, b: { server: string }) => (a.server < b.server ? -1 : 1)

function worstFirst(a: ToolReview, b: ToolReview): number {
  const isWaiting = ({ pin }: ToolReview) => (pin.waiting === null ? 1 : 0)
  return (
    isWaiting(a) - isWaiting(b) ||
    risks.indexOf(b.risk) - risks.indexOf(a.risk) ||
    (a.pin.tool < b.pin.tool ? -1 : 1)
  )
}

function parsed(definition: string): JsonObject {
  const value: JsonValue = JSON.parse(definition)
  return isObject(value) ? value : {}
}

const text = (value: JsonValue | undefined) => (typeof value === 'string' ? value : null)

const isObject = (value: JsonValue): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
