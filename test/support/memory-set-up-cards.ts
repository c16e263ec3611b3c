/** Cards of servers without a policy in memory, under the same contract as those in PostgreSQL. */
import type { SetUpCards } from '../../src/ports/set-up-cards.ts'

interface Row {
  place: string | null
  shown: string | null
  busyUntilMs: number
  turn: number
}

export function createMemorySetUpCards(nowMs: () => number = () => performance.now()): SetUpCards {
  const rows = new Map<string, Row>()
  const keyOf = (server: string, channel: string) => JSON.stringify([channel, server])
  const ofTurn = (server: string, channel: string, turn: string) => {
    const row = rows.get(keyOf(server, channel))
    return row !== undefined && String(row.turn) === turn ? row : null
  }
  return {
    async shown(channel) {
      const all = [...rows].flatMap(([key, { shown }]) => {
        const [of = '', server = '']: string[] = JSON.parse(key)
        return of === channel && shown !== null ? [[server, shown] as const] : []
      })
      return new Map(all)
    },
    async take(server, channel, busyMs) {
      const row = rows.get(keyOf(server, channel)) ?? { place: null, shown: null, busyUntilMs: 0, turn: 0 }
      if (row.busyUntilMs > nowMs()) return null
      const taken = { ...row, busyUntilMs: nowMs() + busyMs, turn: row.turn + 1 }
      rows.set(keyOf(server, channel), taken)
      return { place: taken.place, shown: taken.shown, turn: String(taken.turn) }
    },
    async drawn(server, channel, turn, { place, shown }) {
      const row = ofTurn(server, channel, turn)
      if (row === null) return false
      Object.assign(row, { place, shown, busyUntilMs: 0 })
      return true
    },
    async giveBack(server, channel, turn) {
      const row = ofTurn(server, channel, turn)
      if (row !== null) row.busyUntilMs = 0
    },
  }
}
