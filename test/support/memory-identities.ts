/** Codes, accounts and sessions in memory, with a clock that tests move. */
import type { Identities } from '../../src/ports/identities.ts'

interface Kept {
  readonly person: string
  readonly untilMs: number
}

export function memoryIdentities(clock: { nowMs: number } = { nowMs: 0 }): Identities {
  const codes = new Map<string, Kept>()
  const sessions = new Map<string, Kept>()
  const accounts = new Map<string, { channel: string; account: string; person: string }>()
  const live = (kept: Kept | undefined) =>
    kept !== undefined && kept.untilMs > clock.nowMs ? kept.person : null
  const key = (channel: string, account: string) => JSON.stringify([channel, account])
  return {
    async addCode(hash, person, validMs) {
      codes.set(hash, { person, untilMs: clock.nowMs + validMs })
    },
    async useCode(hash) {
      const person = live(codes.get(hash))
      codes.delete(hash)
      return person
    },
    async link(channel, account, person) {
      accounts.set(key(channel, account), { channel, account, person })
    },
    async unlink(channel, account) {
      accounts.delete(key(channel, account))
    },
    async personOf(channel, account) {
      return accounts.get(key(channel, account))?.person ?? null
    },
    async accountsOf(channel, person) {
      return [...accounts.values()]
        .filter((one) => one.channel === channel && one.person === person)
        .map(({ account }) => account)
    },
    async addSession(hash, person, validMs) {
      sessions.set(hash, { person, untilMs: clock.nowMs + validMs })
    },
    async personOfSession(hash) {
      return live(sessions.get(hash))
    },
    async endSession(hash) {
      sessions.delete(hash)
    },
    async signOutEverywhere(person) {
      for (const [hash, kept] of codes) if (kept.person === person) codes.delete(hash)
      const theirs = [...sessions].filter(([, kept]) => kept.person === person)
      for (const [hash] of theirs) sessions.delete(hash)
      return theirs.length
    },
  }
}
