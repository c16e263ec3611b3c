/** What agents and people do around a point, and what the world does to them meanwhile. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Dice } from '../sim/scheduler.ts'
import { type AgentCall, untilSent } from './agents.ts'
import { type Lane, type PersonName, personNames, type Slot } from './lane.ts'
import { actsOn, annotate, askAgain, lift, revoke, rowsOf, stop, untilOver, type Wanted } from './people.ts'
import type { Scenario } from './points.ts'

/** What a scenario waits for, so that it brings about what it is for on any machine. */
export interface Course {
  /** There is nothing more to do to these calls, or everybody has given up. */
  isOver(): boolean
  /** The point was passed: nothing needs to be waited for any more. */
  hasStruck(): boolean
  hasLeft(marker: string): boolean
}

export interface Batch {
  readonly calls: readonly AgentCall[]
  readonly acts: readonly Wanted[]
  /** Before people act. */
  prepare(course: Course): Promise<void>
  /** While calls go on. Ends when there is nothing more to do to them. */
  meddle(course: Course): Promise<void>
}

/** Longer than it takes to see that a request is under way, to kill its gateway. */
const SLOW_MS = 400
const VERY_SLOW_MS = 8_000
/** Long enough for others to come and ask for the same. */
const RUNS_MS = 2_000
/** From when its call is in the ledger: long enough to be waiting for it. */
const LEAVES_AFTER_MS = 400
const AWAY_MS = 900
/** A process that goes on reads what it missed at once; a busy machine takes longer. */
const LATE_MS = 5_000
const LOOK_MS = 30

const nothing = async () => {}

/** Three calls or so, of both agents and both eras, at both gateways. */
export function batchOf(lane: Lane, scenario: Scenario, prefix: string, dice: Dice): Batch {
  let count = 0
  const aCall = (more: Partial<AgentCall> = {}): AgentCall => ({
    marker: `${prefix}-${++count}-`,
    agent: count % 2 === 0 ? 'day-agent' : 'night-agent',
    era: dice.chance(0.5) ? 'legacy' : 'modern',
    note: 'pay',
    gateway: count % 2,
    delayMs: 0,
    comesBackBy: dice.pick(['ticket', 'stream']),
    leavesAfterMs: null,
    ...more,
  })
  const act = ({ marker }: AgentCall, what: Wanted['act']): Wanted => ({
    marker,
    act: what,
    door: dice.chance(0.4) ? 'slack' : 'rest',
    gateway: dice.below(2),
  })
  const plain = (calls: readonly AgentCall[], acts: readonly Wanted[]): Batch => ({
    calls,
    acts,
    prepare: nothing,
    meddle: nothing,
  })
  /** Two that are approved and one that is denied. */
  const some = (more: Partial<AgentCall> = {}): Batch => {
    const [first, second, third] = [aCall(more), aCall(more), aCall(more)]
    return plain(
      [first, second, third],
      [act(first, 'approve'), act(second, 'approve'), act(third, 'reject')],
    )
  }
  const allAsked = async (calls: readonly AgentCall[], isOver: () => boolean) => {
    while (!isOver() && (await Promise.all(calls.map(({ marker }) => rowsOf(lane, marker)))).some(isEmpty))
      await sleep(LOOK_MS)
  }

  switch (scenario) {
    case 'decisions':
      return some()
    case 'slow server':
      return some({ delayMs: SLOW_MS })
    case 'repeats': {
      const first = aCall({ era: 'legacy', gateway: 0 })
      const second = aCall()
      // They come once the call is there, two at each gateway, and nobody decides before all of them wait for it.
      const again = [0, 1, 0, 1].map((gateway) => ({ ...first, gateway, comesOnce: 'asked' as const }))
      const calls = [first, ...again, second]
      return {
        ...plain(calls, [act(first, 'approve'), act(second, 'approve')]),
        prepare: (course) =>
          untilSo(
            course,
            async () =>
              (await waitersOf(lane, first.marker)) > again.length || (await isPast(lane, first.marker)),
          ),
      }
    }
    case 'repeats of what runs': {
      const first = aCall({ era: 'legacy', gateway: 0, delayMs: RUNS_MS })
      const again = [0, 1, 0, 1].map((gateway) => ({ ...first, gateway, comesOnce: 'sent' as const }))
      return plain([first, ...again], [act(first, 'approve')])
    }
    case 'nobody decides': {
      const decided = aCall()
      return plain([decided, aCall(), aCall()], [act(decided, 'approve')])
    }
    case 'agent leaves': {
      const [leaver, stayer] = [
        aCall({ leavesAfterMs: LEAVES_AFTER_MS, leavesOnceAsked: true }),
        aCall({ delayMs: SLOW_MS }),
      ]
      const { marker } = leaver
      return {
        ...plain([leaver, stayer], [act(leaver, 'approve'), act(stayer, 'approve')]),
        prepare: (course) =>
          untilSo(
            course,
            async () =>
              (course.hasLeft(marker) && (await waitersOf(lane, marker)) === 0) ||
              (await isPast(lane, marker)),
          ),
      }
    }
    case 'withdrawn': {
      const [first, second] = [aCall(), aCall()]
      return plain([first, second], [act(first, 'cancel'), act(second, 'approve')])
    }
    case 'tool changes': {
      const batch = some()
      return {
        ...batch,
        async prepare({ isOver }) {
          await allAsked(batch.calls, isOver)
          lane.upstream.redefine('echo', `Answers with the arguments; described anew for ${prefix}.`)
        },
      }
    }
    case 'server away': {
      const batch = some()
      return {
        ...batch,
        async prepare({ isOver }) {
          await allAsked(batch.calls, isOver)
          await lane.upstream.refuse()
        },
        async meddle(course) {
          await sleep(AWAY_MS)
          const markers = batch.calls.map(({ marker }) => marker)
          await untilSo(course, () => areAllPutOff(lane, markers))
          await lane.upstream.accept()
        },
      }
    }
    case 'sender dies': {
      const slow = aCall({ delayMs: VERY_SLOW_MS })
      const other = aCall()
      return {
        ...plain([slow, other], [act(slow, 'approve'), act(other, 'approve')]),
        async meddle({ isOver }) {
          const isSent = () => lane.upstream.executed.some(({ args }) => args.message === slow.marker)
          while (!isOver() && !isSent()) await sleep(LOOK_MS)
          if (isSent()) await killSenderOf(lane, slow.marker)
        },
      }
    }
    case 'Slack refuses': {
      lane.slack.failNext('chat.postMessage', 'internal_error')
      return some()
    }
    case 'several people': {
      const [one, other] = [aCall({ note: 'several people' }), aCall({ note: 'several people' })]
      const yesOf = (call: AgentCall, by: PersonName): Wanted => ({
        ...{ marker: call.marker, act: 'approve', by, gateway: dice.below(2) },
        door: by === 'mina' && dice.chance(0.4) ? 'slack' : 'rest',
      })
      const saying = personNames.flatMap((by) => [yesOf(one, by), yesOf(other, by)])
      return plain([one, other], saying)
    }
    case 'edits': {
      const [edited, second] = [aCall(), aCall()]
      return plain([edited, second], [act(edited, 'edit'), act(second, 'edit')])
    }
    case 'more time': {
      const [later, second] = [aCall(), aCall()]
      return plain([later, second], [act(later, 'extend'), act(second, 'extend')])
    }
    case 'tasks': {
      const task = { era: 'modern', task: 'waits' } as const
      const [waiting, second] = [aCall(task), aCall(task)]
      const gone = aCall({ era: 'modern', task: 'withdraws' })
      return plain([waiting, second, gone], [act(waiting, 'approve'), act(second, 'reject')])
    }
    case 'ends when gone': {
      const leaver = {
        note: 'ends when gone',
        leavesAfterMs: LEAVES_AFTER_MS,
        leavesOnceAsked: true,
      } as const
      const [first, second, stayer] = [aCall(leaver), aCall(leaver), aCall()]
      return plain([first, second, stayer], [act(stayer, 'approve')])
    }
    case 'kill switch': {
      const [first, second, third] = [aCall(), aCall(), aCall()]
      const calls = [first, second, third].map((call) => ({ ...call, agent: 'night-agent' }) as const)
      return { ...plain(calls, []), meddle: ({ isOver }) => stopsAndLifts(lane, calls, isOver) }
    }
    case 'called again': {
      const called = [aCall({ note: 'called again' }), aCall({ note: 'called again' })]
      return {
        ...plain(
          called,
          called.map((call) => act(call, 'approve')),
        ),
        prepare: (course) => untilSo(course, () => areAllCalledAgain(lane, called)),
      }
    }
    case 'second thoughts': {
      const [one, other] = [aCall({ note: 'several people' }), aCall({ note: 'several people' })]
      const saying = personNames.flatMap((by) =>
        [one, other].map(
          ({ marker }): Wanted => ({ marker, act: 'approve', by, door: 'rest', gateway: dice.below(2) }),
        ),
      )
      const back = [one, other].map(
        ({ marker }, gateway) => ({ marker, act: 'take-back', door: 'rest', gateway }) as const,
      )
      return {
        ...plain([one, other], saying),
        async prepare({ isOver, hasStruck }) {
          await Promise.all(back.map((wanted) => actsOn(lane, wanted, [], () => isOver() || hasStruck())))
        },
      }
    }
    case 'another rule': {
      const calls = [aCall({ note: 'judged anew' }), aCall({ note: 'judged anew' })]
      return {
        ...plain(
          calls,
          calls.map((call) => act(call, 'approve')),
        ),
        async prepare(course) {
          await allAsked(calls, course.isOver)
          lane.judgeAnew(`anew in ${prefix}`)
          const isAnew = async ({ marker }: AgentCall) => (await rowsOf(lane, marker)).length > 1
          await untilSo(course, async () => !(await Promise.all(calls.map(isAnew))).includes(false))
        },
      }
    }
    case 'grants': {
      const granted = { note: 'grants', agent: 'night-agent' } as const
      const first = aCall(granted)
      const covered = [0, 1].map((gateway) => aCall({ ...granted, gateway, comesAfter: first.marker }))
      return {
        ...plain([first, ...covered], [act(first, 'grant')]),
        async meddle(course) {
          for (const { marker } of covered) await untilOver(lane, marker, course.isOver)
          const given = (await rowsOf(lane, first.marker))[0]
          if (given?.isGranted)
            await untilDone(
              lane,
              () => false,
              (url) => revoke(lane, url, given.id),
            )
        },
      }
    }
    case 'counted':
      return some({ note: 'counted' })
    case 'runs alone': {
      const leaver = { note: 'runs alone', leavesAfterMs: LEAVES_AFTER_MS, leavesOnceAsked: true } as const
      const calls = [aCall(leaver), aCall(leaver)]
      const isAlone = async (course: Course, { marker }: AgentCall) =>
        course.hasLeft(marker) && (await waitersOf(lane, marker)) === 0
      return {
        ...plain(
          calls,
          calls.map((call) => act(call, 'approve')),
        ),
        prepare: (course) =>
          untilSo(
            course,
            async () => !(await Promise.all(calls.map((call) => isAlone(course, call)))).includes(false),
          ),
      }
    }
    case 'server stays away': {
      const batch = some()
      return {
        ...batch,
        async prepare({ isOver }) {
          await allAsked(batch.calls, isOver)
          await lane.upstream.refuse()
        },
        async meddle(course) {
          await untilSo(course, async () => {
            const rows = await Promise.all(batch.calls.map(({ marker }) => rowsOf(lane, marker)))
            return rows.flat().every(({ status }) => status === 'settled')
          })
          await lane.upstream.accept()
        },
      }
    }
    case 'late answer': {
      const slow = aCall({ delayMs: RUNS_MS })
      const other = aCall()
      return {
        ...plain([slow, other], [act(slow, 'approve'), act(other, 'approve')]),
        async meddle({ isOver, hasStruck }) {
          await untilSent(lane, slow.marker, isOver)
          const sender = await senderOf(lane, slow.marker)
          if (isOver() || hasStruck() || sender === undefined) return
          sender.isFrozen = true
          sender.running.freeze()
          await untilOver(lane, slow.marker, isOver)
          sender.running.thaw()
          sender.isFrozen = false
          // It finds the answer on its connection, and that the call has an end.
          const untilMs = performance.now() + LATE_MS
          while (!hasStruck() && performance.now() < untilMs && !(await isLateNoted(lane, slow.marker)))
            await sleep(LOOK_MS)
        },
      }
    }
    case 'people find out': {
      lane.upstream.misbehave('tools/call', { kind: 'reset_after_request' })
      const [one, other] = [aCall(), aCall()]
      return {
        ...plain([one, other], [act(one, 'approve'), act(other, 'approve')]),
        async meddle({ isOver }) {
          for (const { marker } of [one, other]) await untilOver(lane, marker, isOver)
          const unknown = async ({ marker }: AgentCall) =>
            (await rowsOf(lane, marker)).find(({ outcome }) => outcome === 'indeterminate')?.id
          const [found, again] = [await unknown(one), await unknown(other)]
          if (found !== undefined)
            await untilDone(
              lane,
              () => false,
              (url) => annotate(lane, url, found),
            )
          if (again === undefined) return
          await untilDone(
            lane,
            () => false,
            (url) => askAgain(lane, url, again),
          )
          await actsOn(lane, act(other, 'reject'), [], () => false)
        },
      }
    }
    case 'server breaks off': {
      lane.upstream.misbehave('tools/call', { kind: 'reset_after_request' })
      return some()
    }
  }
}

/** Until everything of the agent is withdrawn; then it may go on, and hears how that ended. */
async function stopsAndLifts(lane: Lane, calls: readonly AgentCall[], isOver: () => boolean): Promise<void> {
  const rows = async () => (await Promise.all(calls.map(({ marker }) => rowsOf(lane, marker)))).flat()
  while (!isOver() && (await rows()).length < calls.length) await sleep(LOOK_MS)
  const stopped = await untilDone(lane, isOver, (url) => stop(lane, url, 'night-agent'))
  while (!isOver() && (await rows()).some(({ status }) => status !== 'settled')) await sleep(LOOK_MS)
  if (stopped !== null)
    await untilDone(
      lane,
      () => false,
      (url) => lift(lane, url, stopped),
    )
}

/** A request is answered within seconds; what nobody has said is done by then is refused. */
const REQUESTS_MAX = 300

/** At one gateway after the other, until one says that it is done. */
async function untilDone<Result>(
  lane: Lane,
  isOver: () => boolean,
  act: (url: string) => Promise<Result | null>,
): Promise<Result | null> {
  for (let attempt = 0; !isOver() && attempt < REQUESTS_MAX; attempt++) {
    const gateways = lane.gateways()
    const at = gateways[attempt % Math.max(1, gateways.length)]
    const done = at === undefined ? null : await act(at.url)
    if (done !== null) return done
    await sleep(LOOK_MS)
  }
  return null
}

async function untilSo({ isOver, hasStruck }: Course, isSo: () => Promise<boolean>): Promise<void> {
  while (!isOver() && !hasStruck() && !(await isSo())) await sleep(LOOK_MS)
}

/** It waited for a decision, and does no more. */
async function isPast(lane: Lane, marker: string): Promise<boolean> {
  const rows = await rowsOf(lane, marker)
  return rows.length > 0 && rows.every(({ status }) => status !== 'pending')
}

const countOf = async ({ pool }: Lane, query: string, marker: string): Promise<number> =>
  (await pool.query(query, [marker])).rowCount ?? 0

const waitersOf = (lane: Lane, marker: string) =>
  countOf(
    lane,
    `SELECT FROM holdpoint.waiter w JOIN holdpoint.approval a ON a.id = w.approval_id WHERE strpos(a.record::text, $1) > 0`,
    marker,
  )

/** A reminder to each stands in the channel, and that is noted; or its time is over. */
async function areAllCalledAgain(lane: Lane, calls: readonly AgentCall[]): Promise<boolean> {
  const each = calls.map(async ({ marker }) => {
    const posted = await countOf(
      lane,
      `SELECT FROM holdpoint.nudge n JOIN holdpoint.approval a ON a.id = n.approval_id
       WHERE n.posted_at IS NOT NULL AND strpos(a.record::text, $1) > 0`,
      marker,
    )
    return posted > 0 || isPast(lane, marker)
  })
  return !(await Promise.all(each)).includes(false)
}

/** What was approved could not be sent, each at least once; the others are over. */
async function areAllPutOff(lane: Lane, markers: readonly string[]): Promise<boolean> {
  const open = markers.map((marker) =>
    countOf(
      lane,
      `SELECT FROM holdpoint.approval a WHERE a.status <> 'settled' AND a.unsent_reason IS NULL AND strpos(a.record::text, $1) > 0`,
      marker,
    ),
  )
  return (await Promise.all(open)).every((count) => count === 0)
}

const isLateNoted = async (lane: Lane, marker: string): Promise<boolean> =>
  (await countOf(
    lane,
    `SELECT FROM holdpoint.approval WHERE strpos(record::text, $1) > 0
     AND json_array_length(record #> '{outcome,evidence,lateReplies}') > 0`,
    marker,
  )) > 0

const isEmpty = (rows: readonly unknown[]) => rows.length === 0

async function killSenderOf(lane: Lane, marker: string): Promise<void> {
  await (await senderOf(lane, marker))?.running.kill()
}

/** The claim names the node, and a node's name holds its process id. */
async function senderOf(lane: Lane, marker: string): Promise<Slot | undefined> {
  const { rows } = await lane.pool.query<{ claim_node: string | null }>(
    'SELECT claim_node FROM holdpoint.approval WHERE strpos(record::text, $1) > 0',
    [marker],
  )
  const node = rows[0]?.claim_node ?? ''
  return lane.slots.find(({ running }) => node.includes(`-${running.pid}-`))
}
