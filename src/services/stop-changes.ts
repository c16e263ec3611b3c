/** What people do with the kill switch: operators stop and lift, everybody who is signed in may look. */
import type { Person } from '../domain/principal.ts'
import { err, ok, type Result } from '../domain/result.ts'
import { STOPS_IN_FORCE_MAX, type Stop, type StopScope, scopeText } from '../domain/stop.ts'
import type { Log } from '../ports/log.ts'
import type { Stops } from '../ports/stops.ts'
import type { CancelStopped } from './cancel-stopped.ts'
import type { StopsInForce } from './stops-in-force.ts'

export type StopRefusal =
  | { readonly reason: 'not_an_operator' }
  /** A stop that names nothing that exists stops nothing, and whoever put it believes that it does. */
  | { readonly reason: 'no_such_server'; readonly servers: readonly string[] }
  | { readonly reason: 'too_many_stops'; readonly max: number }
  | { readonly reason: 'no_such_stop'; readonly number: number }
  | { readonly reason: 'lifted_before'; readonly stop: Stop }

export interface Stopped {
  readonly stop: Stop
  /** `false`: the very same was stopped already, and stays as it was. */
  readonly isNew: boolean
  /** Calls that waited and were cancelled before this was answered; others are seconds later. */
  readonly cancelled: number
  /** Whether the configuration has an agent of this name; `null`: no agent was named. */
  readonly isKnownAgent: boolean | null
}

export interface StopChanges {
  /** Oldest first. */
  inForce(): Promise<readonly Stop[]>
  /** Newest first, lifted ones as well. */
  history(limit: number, before: number | null): Promise<readonly Stop[]>
  put(scope: StopScope, reason: string, person: Person): Promise<Result<Stopped, StopRefusal>>
  lift(number: number, person: Person): Promise<Result<Stop, StopRefusal>>
  mayStop(person: Person): boolean
}

export function createStopChanges(deps: {
  stops: Stops
  inForce: Pick<StopsInForce, 'refresh'>
  cancelStopped: CancelStopped
  servers: readonly string[]
  isKnownAgent: (name: string) => boolean
  isOperator: (person: Person) => boolean
  log: Log
}): StopChanges {
  const { stops, inForce, cancelStopped, servers, isKnownAgent, isOperator, log } = deps

  function refused(person: Person) {
    log.warn({ person: person.id }, 'a person who is no operator tried to use the kill switch')
    return err({ reason: 'not_an_operator' } as const)
  }

  return {
    inForce: stops.inForce,
    history: stops.history,
    mayStop: isOperator,

    async put(scope, reason, person) {
      if (!isOperator(person)) return refused(person)
      const { server, agent } = scope
      if (server !== null && !servers.includes(server)) return err({ reason: 'no_such_server', servers })
      const put = await stops.put({ scope, reason, by: person.id })
      if (put === null) return err({ reason: 'too_many_stops', max: STOPS_IN_FORCE_MAX })
      const { stop, isNew } = put
      log.warn({ stop: stop.number, by: person.id, reason, isNew }, `a person stopped ${scopeText(scope)}`)
      const cancelled = await takeEffectHere()
      return ok({ stop, isNew, cancelled, isKnownAgent: agent === null ? null : isKnownAgent(agent) })
    },

    async lift(number, person) {
      if (!isOperator(person)) return refused(person)
      const lifted = await stops.lift(number, person.id)
      if (lifted !== null) {
        log.warn({ stop: number, by: person.id }, `a person lifted the stop of ${scopeText(lifted.scope)}`)
        await takeEffectHere()
        return ok(lifted)
      }
      const [before] = await stops.history(1, number + 1)
      return before?.number === number
        ? err({ reason: 'lifted_before', stop: before })
        : err({ reason: 'no_such_stop', number })
    },
  }

  /** It is written: what fails here is made up for by the loops, and must not look as if nothing was stopped. */
  async function takeEffectHere(): Promise<number> {
    try {
      await inForce.refresh()
      return (await cancelStopped()).cancelled
    } catch (error) {
      log.warn({ err: error }, 'a stop takes effect a little later here')
      return 0
    }
  }
}
