/**
 * Which person clicked: the account in the signed payload, linked to a person who still stands in the directory, and a
 * full member of our own workspace. Slack is asked at the moment of the act; when it cannot say, nobody decides.
 */
import type { webApi } from '@slack/bolt'
import type { Person } from '../../domain/principal.ts'
import { err, ok, type Result } from '../../domain/result.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Directory } from '../../ports/directory.ts'
import type { Identities } from '../../ports/identities.ts'
import type { Log } from '../../ports/log.ts'
import { slackError } from './faults.ts'
import type { Self } from './self.ts'

/** As it stands in a signed payload. */
export interface Account {
  readonly team: string
  readonly user: string
}

export type Unknown =
  | { readonly reason: 'unlinked' }
  /** Linked to somebody who is no longer in the configuration. */
  | { readonly reason: 'not_a_person'; readonly id: string }
  | { readonly reason: 'not_a_member'; readonly what: string }
  | { readonly reason: 'slack_silent'; readonly why: string }

export interface Accounts {
  person(account: Account): Promise<Result<Person, Unknown>>
  /** A full member of our workspace, linked or not. */
  member(account: Account): Promise<Result<Account, Unknown>>
}

/** How long Slack's answer about somebody holds: a person who leaves the company loses their yes within it. */
const MEMBER_MS = 60_000
const MEMBERS_KEPT_MAX = 1_000

export const accountText = ({ team, user }: Account): string => `${team}:${user}`

/** `null`: it was written by something else. */
export function parseAccount(text: string): Account | null {
  const [, team, user] = /^([A-Z0-9]+):([A-Z0-9]+)$/.exec(text) ?? []
  return team === undefined || user === undefined ? null : { team, user }
}

export function createAccounts(deps: {
  /** With the short patience of a click. */
  client: webApi.WebClient
  self: Self
  identities: Identities
  directory: Directory
  channel: string
  clock: Clock
  log: Log
}): Accounts {
  const { client, self, identities, directory, channel, clock, log } = deps
  const seenUntilMs = new Map<string, number>()

  async function member(account: Account): Promise<Result<Account, Unknown>> {
    const key = accountText(account)
    if ((seenUntilMs.get(key) ?? 0) > clock.monotonicMs()) return ok(account)
    let what: string | null
    try {
      const [{ teamId }, { user }] = await Promise.all([self(), client.users.info({ user: account.user })])
      what = account.team === teamId && user?.team_id === teamId ? standing(user) : 'is of another workspace'
    } catch (error) {
      const why = slackError(error) ?? 'it does not answer'
      log.warn({ account: key, why }, 'Slack could not say who clicked')
      return err({ reason: 'slack_silent', why })
    }
    if (what !== null) return err({ reason: 'not_a_member', what })
    if (seenUntilMs.size >= MEMBERS_KEPT_MAX) seenUntilMs.clear()
    seenUntilMs.set(key, clock.monotonicMs() + MEMBER_MS)
    return ok(account)
  }

  return {
    member,
    async person(account) {
      // What we know ourselves comes first: a stranger costs Slack no question.
      const id = await identities.personOf(channel, accountText(account))
      if (id === null) return err({ reason: 'unlinked' })
      const person = directory.person(id)
      if (person === null) return err({ reason: 'not_a_person', id })
      const known = await member(account)
      return known.ok ? ok(person) : known
    },
  }
}

function standing(user: {
  deleted?: boolean
  is_bot?: boolean
  is_restricted?: boolean
  is_ultra_restricted?: boolean
  is_stranger?: boolean
}): string | null {
  if (user.deleted === true) return 'was deactivated'
  if (user.is_bot === true) return 'is a bot'
  if (user.is_restricted === true || user.is_ultra_restricted === true) return 'is a guest'
  return user.is_stranger === true ? 'is of another workspace' : null
}
