/**
 * What is known of every server's tools, in memory: their category and level for the policy, and which of them changed and were not
 * accepted yet. It learns from the lists that pass and from what approvals ask; comparing and writing happen behind the traffic.
 */
import type { JsonObject } from '../domain/canonical.ts'
import { CLI } from '../domain/command-line.ts'
import { driftOf, type SeenTool, seenTool, worseFacts } from '../domain/risk/drift.ts'
import { type ToolFacts, unknownTool } from '../domain/risk.ts'
import type { Clock } from '../ports/clock.ts'
import type { Log } from '../ports/log.ts'
import type { ToolPin, ToolPins } from '../ports/tool-pins.ts'

export interface ToolCatalogue {
  /** Unknown tools are critical. */
  facts(server: string, tool: string): ToolFacts
  /** Why people are asked about this tool whatever the policy says; `null`: it is what was accepted, or nothing is known of it. */
  quarantineOf(server: string, tool: string): string | null
  /** Whether the definition with this digest is the accepted one, and no other waits. */
  isAccepted(server: string, tool: string, digest: string): boolean
  /** What this server listed last, as far as it was seen. */
  known(server: string): readonly SeenTool[]
  /** Everything that is known, in no order. */
  pins(): readonly ToolPin[]
  /** Tools as a server listed them, some or all. Returns at once. */
  saw(server: string, listed: readonly JsonObject[]): void
  refresh(): Promise<void>
  /** Resolves when everything seen so far is written or has failed. */
  settled(): Promise<void>
  /** Keeps the memory true until `stopping` aborts; never rejects. */
  keepFresh(stopping: AbortSignal): Promise<void>
}

/** A definition that another gateway saw counts here after this time. */
const REFRESH_MS = 1_000
/** Lists that wait to be compared; each is looked at whole, and a newer one of the same server stands for the older. */
const WAITING_MAX = 100

const keyOf = (server: string, tool: string) => `${server} ${tool}`

export function createToolCatalogue(deps: { pins: ToolPins; clock: Clock; log: Log }): ToolCatalogue {
  const { pins, clock, log } = deps
  let memory = new Map<string, ToolPin>()
  let known = new Set<string>()
  let mark = ''
  let waiting = 0
  let writing: Promise<void> = Promise.resolve()

  async function refresh(): Promise<void> {
    const now = await pins.mark()
    if (now === mark) return
    const all = await pins.all()
    memory = new Map(all.map((pin) => [keyOf(pin.server, pin.tool), pin]))
    known = new Set(all.map(({ server }) => server))
    mark = now
  }

  async function compare(server: string, listed: readonly JsonObject[]): Promise<void> {
    const tools = listed.map(seenTool).filter((seen) => seen !== null)
    if (tools.length === 0) return
    if (tools.every((seen) => isExpected(server, seen))) return
    if (!known.has(server) && (await pins.pinFirst(server, tools))) {
      log.info(
        { server, tools: tools.length },
        'the tools of this server were seen for the first time and are pinned',
      )
      return refresh()
    }
    await refresh()
    for (const seen of tools) await settle(server, seen)
    await refresh()
  }

  const isExpected = (server: string, { tool, digest }: SeenTool) => {
    const pin = memory.get(keyOf(server, tool))
    return (pin?.waiting ?? pin?.accepted)?.digest === digest
  }

  async function settle(server: string, seen: SeenTool): Promise<void> {
    const { tool } = seen
    const pin = memory.get(keyOf(server, tool))
    const accepted = pin?.accepted ?? null
    // What waits goes on waiting when the old definition comes back: a server that says both is not to be believed.
    if (accepted?.digest === seen.digest || pin?.waiting?.digest === seen.digest) return
    if (accepted !== null && pin?.waiting == null && driftOf(accepted, seen) === 'words') {
      if (await pins.take(server, seen, accepted.digest)) {
        log.info({ server, tool }, 'the words about a tool that only reads changed; it goes on as it was')
      }
      return
    }
    if (await pins.letWait(server, seen, accepted?.digest ?? null)) {
      const what = accepted === null ? 'a new tool appeared' : 'the definition of a tool changed'
      log.warn(
        { server, tool },
        `${what}; people are asked about its calls until somebody accepts it (${CLI} tools list)`,
      )
    }
  }

  return {
    facts(server, tool) {
      const pin = memory.get(keyOf(server, tool))
      if (pin === undefined) return unknownTool
      const { accepted, waiting: other } = pin
      if (accepted === null || other === null) return factsOf(accepted ?? other)
      return worseFacts(factsOf(accepted), factsOf(other))
    },

    quarantineOf(server, tool) {
      const pin = memory.get(keyOf(server, tool))
      if (pin === undefined || pin.waiting === null) return null
      return pin.accepted === null
        ? 'This tool is new on this server, and nobody has accepted it yet.'
        : 'The server describes this tool in another way than when it was accepted.'
    },

    isAccepted(server, tool, digest) {
      const pin = memory.get(keyOf(server, tool))
      return pin?.accepted?.digest === digest && pin.waiting === null
    },

    known: (server) =>
      [...memory.values()].flatMap((pin) => {
        const seen = pin.server === server ? (pin.waiting ?? pin.accepted) : null
        return seen === null ? [] : [seen]
      }),

    pins: () => [...memory.values()],

    saw(server, listed) {
      if (waiting >= WAITING_MAX) return
      waiting++
      writing = writing
        // First the traffic that waits for this turn of the event loop.
        .then(() => clock.sleep(0))
        .then(() => compare(server, listed))
        .catch((error: unknown) =>
          log.warn(
            { err: error, server },
            'what this server lists could not be compared; the next list will be',
          ),
        )
        .finally(() => {
          waiting--
        })
    },

    refresh,
    settled: () => writing,

    async keepFresh(stopping) {
      while (!stopping.aborted) {
        try {
          await refresh()
        } catch (error) {
          log.debug({ err: error }, 'the pinned tools could not be read; the last known ones go on')
        }
        await clock.sleep(REFRESH_MS, stopping)
      }
    },
  }
}

const factsOf = (seen: SeenTool | null): ToolFacts =>
  seen === null ? unknownTool : { category: seen.category, risk: seen.risk }
