/** One client, from its connection to its verdict: an allowed call, a refused one, one that a person approves late, and one that she denies. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type RealClient, shownError, type Way } from './client.ts'
import { echoAlone, type Findings, isCutOff, isToWait, wholeErrand } from './errand.ts'
import { type Place, REASON_OF_POLICY } from './place.ts'
import { openTap, type Tap, type Wire } from './tap.ts'

/** How much longer than the client's limit the person takes. */
const LONGER_MS = 5_000
const TRIAL_MS_MAX = 240_000
const REASON_OF_PERSON = 'ask finance first'

export interface Trial {
  readonly client: RealClient
  readonly revision: string
  /** As the client states it. */
  readonly statedName: string
  readonly way: Way | null
  /** What went over the wire meanwhile, for people. */
  readonly traffic: string
  readonly waitedMs: number | null
  readonly executed: number
  readonly complaints: readonly string[]
}

/** @param change see `openTap` */
export async function tryClient(
  client: RealClient,
  place: Place,
  change?: Parameters<typeof openTap>[1],
): Promise<Trial> {
  const tap = await openTap(place.gatewayUrl, change)
  const server = client.server ?? 'pay'
  const markers = { yes: `yes:${client.name}.`, no: `no:${client.name}.` }
  const marks: Snapshot[] = []
  const { mina } = place
  mina.expect(markers.yes, { decision: 'approve', reason: null, afterMs: client.limitMs + LONGER_MS })
  mina.expect(markers.no, { decision: 'reject', reason: REASON_OF_PERSON, afterMs: 0 })

  async function errands() {
    const direct = await client.connect({
      url: place.servers[server].url,
      token: null,
      directory: place.directory(),
    })
    const expected = await direct.run(echoAlone())
    await direct.close()
    const through = await client.connect({
      url: `${tap.origin}/mcp/${server}`,
      token: await place.tokenFor(client),
      directory: place.directory(),
    })
    const findings = await through.run(wholeErrand(markers, () => marks.push(snapshot(tap.wire))))
    await through.close()
    return { expected, findings }
  }

  const tooLong = sleep(TRIAL_MS_MAX, null, { ref: false }).then(() => {
    throw new Error(`not through after ${TRIAL_MS_MAX / 1_000} s`)
  })
  try {
    const { expected, findings } = await Promise.race([errands(), tooLong])
    const between = difference(marks)
    const way = wayOf(between, findings)
    const executed = place.servers[server].refunds(markers.yes)
    const asked = await mina.asked(markers.yes)
    const complaints = [
      ...complaintsAbout(findings, expected, executed, client.limitMs),
      ...(asked.length === 1 ? [] : [`a person was asked ${asked.length} times`]),
      ...(place.servers[server].refunds(markers.no).length === 0 ? [] : ['ran although it was denied']),
      ...strangers(between).map((key) => `sends “${key}” in _meta, so that a repeat is another call`),
      ...(way === client.way ? [] : [`waits by ${way}, not by ${client.way}`]),
    ]
    return report(client, tap, {
      way,
      traffic: trafficOf(between),
      waitedMs: findings.waitedMs,
      executed: executed.length,
      complaints,
    })
  } catch (error) {
    const executed = place.servers[server].refunds(markers.yes).length
    const statuses = (await mina.asked(markers.yes)).map(({ status }) => status)
    const complaints = [`${shownError(error)} (asked about, by now: ${statuses.join(', ') || 'nothing'})`]
    return report(client, tap, { way: null, traffic: '', waitedMs: null, executed, complaints })
  } finally {
    await tap.close()
  }
}

function report(
  client: RealClient,
  { wire }: Tap,
  rest: Pick<Trial, 'way' | 'traffic' | 'waitedMs' | 'executed' | 'complaints'>,
): Trial {
  return { client, revision: wire.revision ?? 'none', statedName: wire.client ?? 'none', ...rest }
}

function complaintsAbout(
  findings: Findings,
  expected: string,
  executed: readonly string[],
  limitMs: number,
): string[] {
  const { echoed, refused, answers, waitedMs, denied } = findings
  const result = executed[0]
  const isResult = (answer: string) => /\bre_\d+\b/.test(answer)
  const said: [boolean, string][] = [
    [plain(echoed) === plain(expected), `an allowed call answers “${echoed}”, directly “${expected}”`],
    [refused.includes(REASON_OF_POLICY), `a refused call does not say why: “${refused}”`],
    [executed.length === 1, `the server ran it ${executed.length} times`],
    [
      result !== undefined && isOf(result, answers.at(-1)),
      `went home without the result: “${answers.at(-1)}”`,
    ],
    [answers.filter(isResult).length === 1, `read a result ${answers.filter(isResult).length} times`],
    [waitedMs > limitMs, `waited ${waitedMs} ms, which is within its limit`],
    [
      denied.includes('mina') && denied.includes(REASON_OF_PERSON),
      `is not told who denied and why: “${denied}”`,
    ],
    [!isResult(denied), 'was given a result that nobody approved'],
  ]
  return said.flatMap(([isTrue, complaint]) => (isTrue ? [] : [complaint]))
}

const isOf = (result: string, answer = '') => new RegExp(`\\b${result}\\b`).test(answer)

/** Codex tells its model how long a call took. */
const plain = (answer: string) => answer.replace(/Wall time: [\d.]+ seconds/, '').trim()

const strangers = ({ calls }: Snapshot) => [...new Set(calls.flatMap(({ meta }) => meta))]

interface Snapshot {
  readonly calls: Wire['calls']
  readonly polls: number
  readonly resumed: number
  readonly progress: number
}

function snapshot({ calls, methods, resumed, progress }: Wire): Snapshot {
  const polls = (methods.get('tasks/get') ?? 0) + (methods.get('tasks/result') ?? 0)
  return { calls: [...calls], polls, resumed, progress }
}

function difference([before, after]: readonly Snapshot[]): Snapshot {
  if (before === undefined || after === undefined) throw new Error('the errand was not run')
  return {
    calls: after.calls.slice(before.calls.length),
    polls: after.polls - before.polls,
    resumed: after.resumed - before.resumed,
    progress: after.progress - before.progress,
  }
}

function wayOf({ calls, polls }: Snapshot, { answers }: Findings): Way {
  if (answers.some(isCutOff)) return 'repeats'
  if (answers.some(isToWait)) return 'ticket'
  if (polls > 0) return 'task'
  return calls.some(({ isRound }) => isRound) ? 'rounds' : 'held'
}

function trafficOf({ calls, polls, resumed, progress }: Snapshot): string {
  const waits = calls.filter(({ tool }) => tool === 'holdpoint_wait').length
  const rounds = calls.filter(({ isRound }) => isRound).length
  const counted: [number, string][] = [
    [calls.length - waits - rounds, 'calls'],
    [rounds, 'rounds'],
    [waits, 'holdpoint_wait'],
    [polls, 'polls'],
    [resumed, 'resumed'],
    [progress, 'progress'],
  ]
  return counted.flatMap(([count, what]) => (count > 0 ? [`${count} ${what}`] : [])).join(', ')
}
