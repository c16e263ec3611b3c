/** Tool pins in memory, under the same contract as those in PostgreSQL. */
import { FIRST_SIGHT, MERE_WORDS, type ToolPin, type ToolPins } from '../../src/ports/tool-pins.ts'

export function createMemoryToolPins(nowMs: () => number = () => Date.now()): ToolPins {
  const servers = new Set<string>()
  const pins = new Map<string, ToolPin>()
  let changes = 0
  const keyOf = (server: string, tool: string) => `${server} ${tool}`
  const put = (pin: ToolPin) => {
    pins.set(keyOf(pin.server, pin.tool), pin)
    changes++
    return true
  }

  return {
    all: async () => [...pins.values()],
    mark: async () => String(changes),
    async pinFirst(server, tools) {
      if (servers.has(server)) return false
      servers.add(server)
      for (const seen of tools) {
        put({ server, tool: seen.tool, accepted: { ...seen, by: FIRST_SIGHT, atMs: nowMs() }, waiting: null })
      }
      return tools.length > 0
    },
    async letWait(server, seen, after) {
      servers.add(server)
      const pin = pins.get(keyOf(server, seen.tool))
      if ((pin?.accepted?.digest ?? null) !== after) return false
      if (pin?.accepted?.digest === seen.digest || pin?.waiting?.digest === seen.digest) return false
      return put({
        server,
        tool: seen.tool,
        accepted: pin?.accepted ?? null,
        waiting: { ...seen, atMs: nowMs() },
      })
    },
    async take(server, seen, after) {
      const pin = pins.get(keyOf(server, seen.tool))
      if (pin?.accepted?.digest !== after || pin.waiting !== null) return false
      return put({ ...pin, accepted: { ...seen, by: MERE_WORDS, atMs: nowMs() } })
    },
    async accept(server, tool, digest, person) {
      const pin = pins.get(keyOf(server, tool))
      if (pin === undefined || pin.waiting === null) return false
      const taken = [pin.waiting, pin.accepted].find((one) => one?.digest === digest)
      if (taken == null) return false
      return put({
        server,
        tool,
        accepted: { ...taken, by: `person:${person}`, atMs: nowMs() },
        waiting: null,
      })
    },
  }
}
