/** `/holdpoint link CODE | unlink | help`: how a Slack account becomes a person, without anybody typing ids. */
import { linkCodeHash } from '../../domain/link-code.ts'
import { visible } from '../../domain/visible.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Directory } from '../../ports/directory.ts'
import type { Identities } from '../../ports/identities.ts'
import type { Log } from '../../ports/log.ts'
import { type Account, type Accounts, accountText } from './accounts.ts'
import type { Typed } from './payloads.ts'
import { escaped } from './text.ts'
import { unknownText } from './words.ts'

/** @returns what only the person who typed sees */
export type SlashCommand = (typed: Typed) => Promise<string>

/** Wrong codes from one account: a person mistypes, a guesser needs billions. */
const WRONG_MAX = 5
const WRONG_WITHIN_MS = 10 * 60_000
const ACCOUNTS_KEPT_MAX = 1_000

export function createSlashCommand(deps: {
  identities: Identities
  directory: Directory
  accounts: Accounts
  channel: string
  clock: Clock
  log: Log
}): SlashCommand {
  const { identities, directory, accounts, channel, clock, log } = deps
  const wrong = new Map<string, { count: number; sinceMs: number }>()

  return async function slashCommand({ account, text }) {
    const [verb = '', ...rest] = text.trim().split(/\s+/)
    switch (verb.toLowerCase()) {
      case 'link':
        return link(account, rest.join(''))
      case 'unlink':
        return unlink(account)
      default:
        return help(account)
    }
  }

  async function link(account: Account, typed: string): Promise<string> {
    const key = accountText(account)
    if (tries(key) >= WRONG_MAX) return 'Too many wrong codes. Wait ten minutes, then ask for a new one.'
    const member = await accounts.member(account)
    if (!member.ok) return unknownText(member.error).replace('Nothing was decided', 'Nothing was linked')
    const hash = linkCodeHash(typed)
    const id = hash === null ? null : await identities.useCode(hash)
    const person = id === null ? null : directory.person(id)
    if (person === null) {
      note(key)
      log.warn({ account: key }, 'a wrong link code was typed in Slack')
      return 'This code is not known, was used already, or is older than ten minutes. Ask for a new one: `npx holdpoint people link <your name>`.'
    }
    wrong.delete(key)
    const before = await identities.personOf(channel, key)
    await identities.link(channel, key, person.id)
    log.info({ account: key, person: person.id, before }, 'a Slack account was linked')
    const instead = before === null || before === person.id ? '' : ` It was ${name(before)} until now.`
    return `This Slack account is now ${name(person.name)} (${name(person.id)}).${instead} What you decide here counts as theirs. \`/holdpoint unlink\` ends it.`
  }

  async function unlink(account: Account): Promise<string> {
    const key = accountText(account)
    const id = await identities.personOf(channel, key)
    if (id === null) return 'This Slack account is not linked to anybody.'
    await identities.unlink(channel, key)
    log.info({ account: key, person: id }, 'a Slack account was unlinked')
    return `This Slack account is no longer ${name(id)}.`
  }

  async function help(account: Account): Promise<string> {
    const id = await identities.personOf(channel, accountText(account))
    const who = id === null ? 'This Slack account is not linked yet.' : `This Slack account is ${name(id)}.`
    return [
      `${who} Cards in the channel ask you about tool calls of agents.`,
      '`/holdpoint link CODE`: become the person whose code this is (`npx holdpoint people link <name>` makes one)',
      '`/holdpoint unlink`: end that',
    ].join('\n')
  }

  function tries(key: string): number {
    const seen = wrong.get(key)
    return seen === undefined || clock.monotonicMs() - seen.sinceMs > WRONG_WITHIN_MS ? 0 : seen.count
  }

  function note(key: string): void {
    if (wrong.size >= ACCOUNTS_KEPT_MAX) wrong.clear()
    const count = tries(key)
    const sinceMs = count === 0 ? clock.monotonicMs() : (wrong.get(key)?.sinceMs ?? clock.monotonicMs())
    wrong.set(key, { count: count + 1, sinceMs })
  }
}

const name = (text: string) => escaped(visible(text))
