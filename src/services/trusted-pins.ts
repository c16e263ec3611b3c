/**
 * Pinned tools as this gateway's configuration sees them: what a server that it marks as trusted says in annotations is believed also
 * where that makes a tool milder. The ledger keeps what the words alone say, so that trust ends with the line in `holdpoint.yaml`, and
 * a gateway without that line goes by the words.
 */
import { type SeenTool, seenAgain } from '../domain/risk/drift.ts'
import type { ToolFacts } from '../domain/risk.ts'
import type { ToolPins } from '../ports/tool-pins.ts'

/** Definitions never change; classifying thousands of them at each look would take seconds. */
const KEPT_MAX = 10_000

export function createTrustedPins(pins: ToolPins, isTrusted: (server: string) => boolean): ToolPins {
  const believed = new Map<string, ToolFacts>()

  function asBelieved<Pinned extends SeenTool>(seen: Pinned): Pinned {
    const known = believed.get(seen.digest)
    if (known !== undefined) return { ...seen, ...known }
    if (believed.size >= KEPT_MAX) believed.clear()
    const { category, risk } = seenAgain(seen, true)
    believed.set(seen.digest, { category, risk })
    return { ...seen, category, risk }
  }

  const byWords = (server: string, seen: SeenTool) => (isTrusted(server) ? seenAgain(seen, false) : seen)

  return {
    ...pins,
    async all() {
      const all = await pins.all()
      return all.map((pin) =>
        isTrusted(pin.server)
          ? {
              ...pin,
              accepted: pin.accepted && asBelieved(pin.accepted),
              waiting: pin.waiting && asBelieved(pin.waiting),
            }
          : pin,
      )
    },
    pinFirst: (server, tools) =>
      pins.pinFirst(
        server,
        tools.map((seen) => byWords(server, seen)),
      ),
    letWait: (server, seen, after) => pins.letWait(server, byWords(server, seen), after),
    take: (server, seen, after) => pins.take(server, byWords(server, seen), after),
  }
}
