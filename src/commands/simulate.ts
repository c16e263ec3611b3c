/** `simulate`, and its short form in the preview of `policy apply`: what a policy would have said about calls of the past. */
import type { SimulationView } from '../api/simulation-schemas.ts'
import { spanText } from '../domain/present.ts'
import { ok } from '../domain/result.ts'
import { changes } from '../domain/simulation.ts'
import { visible } from '../domain/visible.ts'
import type { ExitCode } from './io.ts'
import type { Parts } from './parts.ts'
import { createPolicyClient } from './policy-client.ts'
import { readPolicyText } from './policy-text.ts'
import { localTime } from './render.ts'
import { printJson, withGateway } from './session.ts'
import { table } from './table.ts'

export interface SimulateOptions {
  /** How far back, in milliseconds. */
  readonly spanMs: number
  /** Approvals one person may be asked for in a day, on average; `null`: any number. */
  readonly budget: number | null
  readonly json: boolean
}

export async function simulatePolicy(
  parts: Parts,
  server: string,
  file: string,
  { spanMs, budget, json }: SimulateOptions,
): Promise<ExitCode> {
  const { io } = parts
  const text = readPolicyText(io, file)
  if (text === null) return 2
  return withGateway(parts, async (settings) => {
    const answer = await createPolicyClient(settings).simulate(server, { source: file, text }, spanMs)
    if (!answer.ok) return answer
    const simulation = answer.value
    const over = budget === null ? [] : simulation.people.filter(({ perDay }) => perDay > budget)
    if (json) printJson(io, { server, budget, isOverBudget: over.length > 0, ...simulation })
    else for (const line of simulationLines(simulation)) io.out(line)
    for (const { person, perDay } of over) {
      io.err(
        `Over budget: ${visible(person)} would be asked ${perDay.toFixed(1)} times a day (${budget} allowed).`,
      )
    }
    return ok(over.length > 0 ? 1 : 0)
  })
}

const changeWords = {
  unchanged: 'unchanged',
  newly_denied: 'newly denied',
  newly_asked: 'newly asked',
  no_longer_asked: 'no longer asked',
  no_longer_denied: 'no longer denied',
} as const satisfies Record<(typeof changes)[number], string>

function simulationLines(simulation: SimulationView): readonly string[] {
  const { changed, people, busiestHour, usualDecisionMs, expectedQueue, to } = simulation
  const nowMs = Date.parse(to)
  const lines = [...shortSimulationLines(simulation)]
  if (changed.length > 0) {
    const rows = changed.map(({ tool, was, strictest, mildest, rule, calls }) => [
      ...[String(calls), visible(tool), was],
      mildest === strictest ? strictest : `${mildest} to ${strictest}`,
      visible(rule ?? ''),
    ])
    lines.push('', ...table([['CALLS', 'TOOL', 'WAS', 'WOULD BE', 'RULE'], ...rows]))
  }
  if (people.length > 0) {
    const rows = people.map(({ person, approvals, perDay, busiestDay }) => [
      ...[visible(person), perDay.toFixed(1), String(busiestDay), String(approvals)],
    ])
    lines.push('', ...table([['ASKED', 'A DAY', 'BUSIEST DAY', 'IN ALL'], ...rows]))
  }
  if (busiestHour !== null) {
    const hour = `Busiest hour: ${busiestHour.approvals} approvals, from ${localTime(Date.parse(busiestHour.from), nowMs)}`
    lines.push(
      '',
      expectedQueue === null || usualDecisionMs === null
        ? `${hour}. Nobody has decided on this server yet, so how many wait at once is not known.`
        : `${hour}. People took ${spanText(usualDecisionMs)} lately, so about ${expectedQueue.toFixed(1)} wait at once then.`,
    )
  }
  return lines
}

/** How many of what; what cannot be known is said. */
export function shortSimulationLines(simulation: SimulationView): readonly string[] {
  const { calls, from, to, isMore, uncertain, strictest, mildest, asIf, approvals, limited, unmeasured } =
    simulation
  const nowMs = Date.parse(to)
  if (calls === 0)
    return ['The decision log has no call to this server in that time, so there is nothing to try it on.']
  const since = localTime(Date.parse(from), nowMs)
  const counts = changes
    .filter((change) => change === 'unchanged' || strictest[change] + mildest[change] > 0)
    .map((change) => `${between(mildest[change], strictest[change])} ${changeWords[change]}`)
  return [
    `Of ${calls} calls since ${since}${isMore ? ' (the newest ones)' : ''}: ${counts.join(', ')}.`,
    ...(uncertain === 0
      ? []
      : [
          `${uncertain} of them cannot be judged for sure: their arguments were not kept (\`record: full\`), or it depends on what people would have said. The numbers are the mildest and the strictest reading.`,
        ]),
    ...(asIf === null ? [] : [shadowLine(asIf)]),
    `Approvals: ${between(approvals.atLeast, approvals.atMost)}.`,
    ...(limited.atMost === 0
      ? []
      : [
          `Limits would have refused ${between(limited.atLeast, limited.atMost)} of them, counted from zero at the first of these calls.`,
        ]),
    ...(unmeasured === 0
      ? []
      : [
          `${unmeasured} ${unmeasured === 1 ? 'call' : 'calls'} could not be judged by a limit on an amount, because the arguments were not kept (\`record: full\`).`,
        ]),
  ]
}

function shadowLine(asIf: NonNullable<SimulationView['asIf']>): string {
  const counts = changes
    .filter((change) => change !== 'unchanged' && asIf[change] > 0)
    .map((change) => `${asIf[change]} ${changeWords[change]}`)
  const would = counts.length === 0 ? 'nothing' : counts.join(', ')
  return `Rules in shadow are not enforced; if they were, that would change: ${would}.`
}

const between = (a: number, b: number) => (a === b ? String(a) : `${Math.min(a, b)} to ${Math.max(a, b)}`)
