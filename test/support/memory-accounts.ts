/** Connected accounts in memory, with a clock that tests move. */
import type { AccountStore, Attempt, KeptAccount } from '../../src/ports/accounts.ts'

interface Kept extends KeptAccount {
  readonly server: string
  readonly owner: string
  readonly connectedAtMs: number
  readonly renewingUntilMs: number
}

export function memoryAccounts(clock: { nowMs: number } = { nowMs: 0 }): AccountStore {
  const accounts = new Map<string, Kept>()
  const attempts = new Map<string, { attempt: Attempt; untilMs: number }>()
  const listeners = new Set<() => void>()
  let versions = 0
  const key = (server: string, owner: string) => JSON.stringify([server, owner])
  const changed = () => {
    for (const listener of listeners) listener()
  }
  const seen = ({ sealed, version }: KeptAccount): KeptAccount => ({ sealed, version })
  return {
    async get(server, owner) {
      const kept = accounts.get(key(server, owner))
      return kept === undefined ? null : seen(kept)
    },
    async put(server, owner, sealed) {
      const version = String(++versions)
      accounts.set(key(server, owner), {
        ...{ server, owner, sealed, version },
        connectedAtMs: clock.nowMs,
        renewingUntilMs: 0,
      })
      changed()
    },
    async beginRenewal(server, owner, leaseMs) {
      const kept = accounts.get(key(server, owner))
      if (kept === undefined || kept.renewingUntilMs > clock.nowMs) return null
      accounts.set(key(server, owner), { ...kept, renewingUntilMs: clock.nowMs + leaseMs })
      return seen(kept)
    },
    async endRenewal(server, owner, version, sealed) {
      const kept = accounts.get(key(server, owner))
      if (kept === undefined || kept.version !== version) return false
      accounts.set(key(server, owner), { ...kept, sealed, version: String(++versions), renewingUntilMs: 0 })
      changed()
      return true
    },
    async dropRenewal(server, owner, version) {
      const kept = accounts.get(key(server, owner))
      if (kept?.version === version) accounts.set(key(server, owner), { ...kept, renewingUntilMs: 0 })
    },
    async remove(server, owner) {
      const isThere = accounts.delete(key(server, owner))
      changed()
      return isThere
    },
    async list() {
      return [...accounts.values()]
        .map(({ server, owner, connectedAtMs }) => ({ server, owner, connectedAtMs }))
        .sort((a, b) => (key(a.server, a.owner) < key(b.server, b.owner) ? -1 : 1))
    },
    async addAttempt(stateHash, attempt, validMs) {
      attempts.set(stateHash, { attempt, untilMs: clock.nowMs + validMs })
    },
    async useAttempt(stateHash) {
      const found = attempts.get(stateHash)
      attempts.delete(stateHash)
      return found !== undefined && found.untilMs > clock.nowMs ? found.attempt : null
    },
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
