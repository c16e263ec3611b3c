/**
 * What there is at one moment. Equal parts are one object with one number, so that states are compared by numbers. Calls are
 * alike, and so are the requests of one call; of gateways the first request of all comes to the first one.
 */
import { type Approval, dueAtMs } from '../../src/domain/approval.ts'
import { type Meant, nameOfMeant } from './people.ts'
import { type InForce, NOW_MS, type Row } from './records.ts'
import { type Chance, chances, type World } from './world.ts'

/** One approval of a call, and what is true of it beside the record. */
export interface Slot {
  readonly row: Row
  /** Its deadline has passed: of the decision, of the start; after the end, that it is handed out to whoever repeats it. */
  readonly isTimeUp: boolean
  /** A yes that a person said in time and that is not written yet: to what stands there, or to what stood there before an edit. */
  readonly click: 'none' | 'shown' | 'outdated'
  /** Requests that the upstream received. */
  readonly hits: number
  readonly meant: Meant
}

/** What a record says of how it ended. */
export type Said = 'unexecuted' | 'answered' | 'indeterminate'

/** One request of an agent, which is a waiter while it is held. */
export type Request =
  | { readonly at: 'away' }
  /** It has looked what became of the same call before, and found nothing that answers it. */
  | { readonly at: 'looked'; readonly node: number; readonly seen: Row | null }
  | { readonly at: 'held'; readonly node: number; readonly slot: number }
  | { readonly at: 'told'; readonly slot: number; readonly said: Said }
  /** It left, its gateway died, or it was refused. */
  | { readonly at: 'gone' }

/** What one gateway is doing about a call. */
export type Work =
  | { readonly step: 'idle' }
  /** It has read an approved record and judged it by the policy in force then. */
  | { readonly step: 'read'; readonly slot: number; readonly row: Row; readonly inForce: InForce }
  | { readonly step: 'claimed'; readonly slot: number; readonly hasLapsed: boolean }
  /** The last look at its own lease is behind it, the first byte is not. */
  | { readonly step: 'sending'; readonly slot: number }
  | { readonly step: 'sent'; readonly slot: number }
  | { readonly step: 'answered'; readonly slot: number }

export interface Shape {
  /** Oldest first. */
  readonly slots: readonly Slot[]
  readonly requests: readonly Request[]
  /** By gateway. */
  readonly work: readonly Work[]
}
export interface Call extends Shape {
  readonly id: number
}

export interface Node {
  readonly isUp: boolean
  /** Others take it for dead, whether it is or stands still. */
  readonly isLapsed: boolean
  /** Another process after each restart. */
  readonly life: number
}

export interface Around {
  readonly nodes: readonly Node[]
  readonly inForce: InForce
  readonly left: Readonly<Record<Chance, number>>
  readonly leftAmong: number
  /** Until a request has come, gateways cannot be told apart. */
  readonly hasArrived: boolean
}

export const nodeName = (at: number, { life }: Node): string => `${'abc'.charAt(at)}${life}`

/** When time is up for it. */
export const endMs = ({ as: [{ approval }] }: Row): number =>
  approval.status === 'settled' ? approval.settledAtMs : (dueAtMs(approval) ?? NOW_MS)

export const approvalIn = ({ row }: Slot): Approval => row.as[0].approval

export function saidOf(approval: Approval): Said | null {
  if (approval.status !== 'settled') return null
  const { kind } = approval.outcome
  return kind === 'answered' || kind === 'indeterminate' ? kind : 'unexecuted'
}

function nameOfSlot(slot: Slot, at: number, shape: Shape): string {
  if (isBehind(slot, at, shape)) return 'behind'
  const { row, isTimeUp, click, hits, meant } = slot
  return `${row.name}${isTimeUp ? '!' : ''}${click}${hits}${nameOfMeant(approvalIn(slot), meant)}`
}

/** It has ended, nobody waits for it or works on it any more, and nobody is to come who asks how it ended. */
function isBehind(slot: Slot, at: number, { slots, requests, work }: Shape): boolean {
  const said = saidOf(approvalIn(slot))
  if (said === null || (said === 'indeterminate' && at === slots.length - 1)) return false
  const isAwaited = requests.some(
    (one) => one.at === 'away' || one.at === 'looked' || (one.at === 'held' && one.slot === at),
  )
  return !isAwaited && !work.some((one) => one.step !== 'idle' && one.slot === at)
}

function nameOfRequest(request: Request): string {
  switch (request.at) {
    case 'away':
    case 'gone':
      return request.at
    case 'looked':
      return `looked${request.node}${request.seen?.name ?? ''}`
    case 'held':
      return `held${request.node}${request.slot}`
    // Only where nobody knows the end can more be written, so that what was said has to be remembered.
    case 'told':
      return request.said === 'indeterminate' ? `told${request.slot}` : 'gone'
  }
}

function nameOfWork(work: Work, slots: readonly Slot[]): string {
  switch (work.step) {
    case 'idle':
      return ''
    // What is not there any more never comes back.
    case 'read':
      return `read${work.slot}${slots[work.slot]?.row === work.row ? work.inForce : `not ${work.row.name}`}`
    case 'claimed':
      return `claimed${work.slot}${work.hasLapsed ? '!' : ''}`
    case 'sending':
    case 'sent':
    case 'answered':
      return `${work.step}${work.slot}`
  }
}

const nameOfCall = (shape: Shape): string => {
  const { slots, requests, work } = shape
  return `${slots.map((slot, at) => nameOfSlot(slot, at, shape)).join('/')}|${requests.map(nameOfRequest).sort().join()}|${work.map((one) => nameOfWork(one, slots)).join()}`
}

const nameOfAround = ({ nodes, inForce, left, leftAmong, hasArrived }: Around): string =>
  `${nodes.map(({ isUp, isLapsed, life }) => `${isUp ? 1 : 0}${isLapsed ? 1 : 0}${life}`).join()}${inForce}${chances
    .map((chance) => left[chance])
    .join()}:${leftAmong}${hasArrived ? '' : '-'}`

function createTable<T>(nameOf: (value: T) => string) {
  const known = new Map<string, T & { readonly id: number }>()
  const all: (T & { readonly id: number })[] = []
  return {
    at(id: number): T & { readonly id: number } {
      const value = all[id]
      if (value === undefined) throw new RangeError(`nothing has the number ${id}`)
      return value
    },
    one(value: T): T & { readonly id: number } {
      const name = nameOf(value)
      const same = known.get(name)
      if (same !== undefined) return same
      const fresh = { ...value, id: all.length }
      known.set(name, fresh)
      all.push(fresh)
      return fresh
    },
  }
}

export const createCalls = () => createTable<Shape>(nameOfCall)
export const createContexts = () => createTable<Around>(nameOfAround)

/** Of each call as many requests as there may be repeats, and the first one. */
export function startOf({ gateways, bounds, among }: World): {
  readonly call: Shape
  readonly around: Around
} {
  const many = <T>(length: number, value: T): T[] => Array.from({ length }, () => value)
  const node = { isUp: true, isLapsed: false, life: 1 }
  const away: Request = { at: 'away' }
  const idle: Work = { step: 'idle' }
  const of = (chance: Chance) => bounds[chance] ?? 0
  return {
    call: { slots: [], requests: many(1 + of('repeat'), away), work: many(gateways, idle) },
    around: {
      nodes: many(gateways, node),
      inForce: 'asks',
      left: {
        ...{ repeat: of('repeat'), edit: of('edit'), crash: of('crash'), stall: of('stall') },
        ...{ failover: of('failover'), policy: of('policy'), leave: of('leave'), extend: of('extend') },
        ...{ note: of('note'), again: of('again'), tool: of('tool') },
      },
      leftAmong: among.max,
      hasArrived: false,
    },
  }
}
