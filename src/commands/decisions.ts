/** `decisions list`: the decision log as lines for people. */
import { type DecisionLine, type DecisionPage, decisionPage } from '../api/decision-schemas.ts'
import { riskWords } from '../domain/present.ts'
import type { RecordedKind } from '../domain/recorded-verdict.ts'
import { visible } from '../domain/visible.ts'
import { createRequest } from './client.ts'
import type { Colours, ExitCode } from './io.ts'
import type { Parts } from './parts.ts'
import { localTime } from './render.ts'
import { done, printJson, withGateway } from './session.ts'
import { table } from './table.ts'

export interface DecisionsFilter {
  /** How far back, in milliseconds. */
  readonly sinceMs: number
  readonly server: string | null
  readonly agent: string | null
  readonly verdict: RecordedKind | null
  /** Only those about which rules in shadow would have said something else. */
  readonly isTried: boolean
  readonly limit: number
  readonly before: number | null
}

export function listDecisions(parts: Parts, filter: DecisionsFilter, json: boolean): Promise<ExitCode> {
  const { io } = parts
  return withGateway(parts, async (settings) => {
    const page = await createRequest(settings)(`/decisions?${queryOf(filter)}`, decisionPage)
    if (!page.ok) return page
    if (json) printJson(io, page.value)
    else if (page.value.decisions.length === 0) io.out('No such call was judged in that time.')
    else {
      for (const line of rows(page.value, io.colours)) io.out(line)
      if (page.value.next !== null) io.err(`More: add --before ${page.value.next}`)
    }
    return done
  })
}

function queryOf({
  sinceMs,
  server,
  agent,
  verdict,
  isTried,
  limit,
  before,
}: DecisionsFilter): URLSearchParams {
  const query = new URLSearchParams({ limit: String(limit) })
  query.set('since', new Date(Math.max(0, Date.now() - sinceMs)).toISOString())
  if (server !== null) query.set('server', server)
  if (agent !== null) query.set('agent', agent)
  if (verdict !== null) query.set('verdict', verdict)
  if (isTried) query.set('tried', 'true')
  if (before !== null) query.set('before', String(before))
  return query
}

/** As the page of the language calls them. */
export const verdictWords: Readonly<Record<RecordedKind, string>> = {
  allow: 'allow',
  deny: 'deny',
  hide: 'hide',
  require_approval: 'require_approval',
  limited: 'over a limit',
  stopped: 'stopped',
  not_set_up: 'not set up',
  look_up: 'look-up',
}

function rows({ decisions, now }: DecisionPage, { dim }: Colours): readonly string[] {
  const nowMs = Date.parse(now)
  const hasTried = decisions.some(({ asIf }) => asIf !== null)
  const [head = '', ...lines] = table([
    [
      'JUDGED AT',
      'VERDICT',
      'SERVER',
      'TOOL',
      'AGENT',
      'RISK',
      'REV',
      'RULE',
      ...(hasTried ? ['AS IF (NOT ENFORCED)'] : []),
      'ARGUMENTS',
    ],
    ...decisions.map((line) => [
      localTime(Date.parse(line.at), nowMs),
      verdictText(line),
      visible(line.server),
      visible(line.tool),
      `${visible(line.agent)} (${visible(line.owner)})`,
      riskWords[line.risk],
      String(line.revision),
      visible(line.rule ?? ''),
      ...(hasTried ? [triedText(line)] : []),
      argumentsText(line),
    ]),
  ])
  return [dim(head), ...lines]
}

function verdictText({ verdict, lookUp }: DecisionLine): string {
  const word = verdictWords[verdict]
  if (lookUp === null) return word
  const { approval, outcome, tookMs } = lookUp
  return `${word} for ${visible(approval)}: ${outcomeWords[outcome]}, ${tookMs} ms`
}

const outcomeWords = { answered: 'answered', tool_error: 'the tool failed', none: 'no answer' } as const

function triedText({ asIf }: DecisionLine): string {
  if (asIf === null) return ''
  return [verdictWords[asIf.verdict], ...(asIf.rule === null ? [] : [visible(asIf.rule)])].join(' by ')
}

function argumentsText({ arguments: args, keys }: DecisionLine): string {
  if (args !== null) return visible(args)
  return keys === null ? '(not kept)' : visible(keys.join(', '))
}
