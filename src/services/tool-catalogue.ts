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
  /**
   * Tools as a server listed them. Returns at once.
   * @param isLast no further page follows; only then is a server that was never seen pinned, with all its pages
   */
  saw(server: string, listed: readonly JsonObject[], isLast?: boolean): void
  refresh(): Promise<void>
  /** Resolves when everything seen so far is written or has failed. */
  settled(): Promise<void>
  /** Keeps the memory true until `stopping` aborts; never rejects. */
  keepFresh(stopping: AbortSignal): Promise<void>
  /**
   * Sees to it that a server of whose list nobody reads the last page is pinned as well, until `stopping` aborts; never rejects.
   * @param look lists all tools of a server, and tells `saw`; where it cannot, what was seen is pinned. Never rejects
   */
  keepWhole(look: (server: string) => Promise<void>, stopping: AbortSignal): Promise<void>
}

/** A definition that another gateway saw counts here after this time. */
const REFRESH_MS = 1_000
/** Lists that wait to be compared; each is looked at whole, and a newer one of the same server stands for the older. */
const WAITING_MAX = 100

/** Whoever reads a list reads its next page at once; what nobody reads on is read here. */
const READ_ON_MS = 5_000
/** Where it cannot be read here, whoever reads on slowly has had the time; what was seen is pinned. */
const FIRST_PAGES_MS = 60_000
/** As many as are listed for people; whoever lists more is pinned by these. */
const FIRST_TOOLS_MAX = 5_000

const keyOf = (server: string, tool: string) => `${server} ${tool}`

interface FirstPages {
  readonly tools: Map<string, SeenTool>
  sinceMs: number
  wasLookedAt: boolean
}

export function createToolCatalogue(deps: {
  pins: ToolPins
  /** What this server says about its tools in annotations is believed; `pins` go by the same. */
  isTrusted: (server: string) => boolean
  clock: Clock
  log: Log
}): ToolCatalogue {
  const { pins, isTrusted, clock, log } = deps
  let memory = new Map<string, ToolPin>()
  let known = new Set<string>()
  let mark = ''
  let waiting = 0
  /** What servers that were never seen list, until their last page. */
  const firstPages = new Map<string, FirstPages>()
  /** Lists that passed and are not compared yet. */
  const passed = new Map<string, Set<readonly JsonObject[]>>()
  let writing: Promise<void> = Promise.resolve()

  async function refresh(): Promise<void> {
    const now = await pins.mark()
    if (now === mark) return
    const all = await pins.all()
    memory = new Map(all.map((pin) => [keyOf(pin.server, pin.tool), pin]))
    known = new Set(all.map(({ server }) => server))
    mark = now
  }

  async function compare(server: string, listed: readonly JsonObject[], isLast: boolean): Promise<void> {
    const tools = listed.map((tool) => seenTool(tool, isTrusted(server))).filter((seen) => seen !== null)
    if (known.has(server)) return compareWithPins(server, tools)
    const pages = firstPages.get(server) ?? {
      tools: new Map(),
      sinceMs: clock.monotonicMs(),
      wasLookedAt: false,
    }
    for (const seen of tools) pages.tools.set(seen.tool, seen)
    firstPages.set(server, pages)
    if (isLast || pages.tools.size >= FIRST_TOOLS_MAX) await pinFirstPages(server, pages)
  }

  async function pinFirstPages(server: string, { tools }: FirstPages): Promise<void> {
    await compareWithPins(server, [...tools.values()])
    firstPages.delete(server)
  }

  /** What is left of a list that nobody reads to its end. */
  async function complete(
    server: string,
    pages: FirstPages,
    look: (server: string) => Promise<void>,
  ): Promise<void> {
    const sinceMs = clock.monotonicMs() - pages.sinceMs
    if (!pages.wasLookedAt && sinceMs > READ_ON_MS && !known.has(server)) {
      pages.wasLookedAt = true
      await look(server)
    }
    await writing
    if (sinceMs <= FIRST_PAGES_MS || firstPages.get(server) !== pages) return
    try {
      await pinFirstPages(server, pages)
    } catch (error) {
      pages.sinceMs = clock.monotonicMs()
      pages.wasLookedAt = false
      log.warn({ err: error, server }, 'the tools of this server could not be pinned; it is tried again')
    }
  }

  async function compareWithPins(server: string, tools: readonly SeenTool[]): Promise<void> {
    if (tools.length === 0 || tools.every((seen) => isExpected(server, seen))) return
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

  /** What passed a moment ago is looked at here already, also where comparing and writing it is still to come. */
  function isJustChanged(server: string, accepted: SeenTool): boolean {
    for (const listed of passed.get(server) ?? []) {
      const definition = listed.find(({ name }) => name === accepted.tool)
      const seen = definition === undefined ? null : seenTool(definition, isTrusted(server))
      if (seen !== null && driftOf(accepted, seen) === 'grave') return true
    }
    return false
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
      // What is seen and about to be pinned is known as well: the rest of the list says nothing about this tool.
      if (pin === undefined) return factsOf(firstPages.get(server)?.tools.get(tool) ?? null)
      const { accepted, waiting: other } = pin
      if (accepted === null || other === null) return factsOf(accepted ?? other)
      return worseFacts(factsOf(accepted), factsOf(other))
    },

    quarantineOf(server, tool) {
      const pin = memory.get(keyOf(server, tool))
      if (pin === undefined) return known.has(server) ? NEVER_ACCEPTED : null
      if (pin.accepted === null) return NEVER_ACCEPTED
      return pin.waiting !== null || isJustChanged(server, pin.accepted) ? OTHERWISE_DESCRIBED : null
    },

    isAccepted(server, tool, digest) {
      const pin = memory.get(keyOf(server, tool))
      return pin?.accepted?.digest === digest && pin.waiting === null
    },

    known(server) {
      if (!known.has(server)) return [...(firstPages.get(server)?.tools.values() ?? [])]
      return [...memory.values()].flatMap((pin) => {
        const seen = pin.server === server ? (pin.waiting ?? pin.accepted) : null
        return seen === null ? [] : [seen]
      })
    },

    pins: () => [...memory.values()],

    saw(server, listed, isLast = true) {
      if (waiting >= WAITING_MAX) return
      waiting++
      const uncompared = passed.get(server) ?? new Set()
      passed.set(server, uncompared.add(listed))
      writing = writing
        // First the traffic that waits for this turn of the event loop.
        .then(() => clock.sleep(0))
        .then(() => compare(server, listed, isLast))
        .catch((error: unknown) =>
          log.warn(
            { err: error, server },
            'what this server lists could not be compared; the next list will be',
          ),
        )
        .finally(() => {
          waiting--
          uncompared.delete(listed)
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

    async keepWhole(look, stopping) {
      while (!stopping.aborted) {
        for (const [server, pages] of firstPages) {
          if (stopping.aborted) return
          await complete(server, pages, look)
        }
        await clock.sleep(REFRESH_MS, stopping)
      }
    },
  }
}

const NEVER_ACCEPTED = 'This tool is new on this server, and nobody has accepted it yet.'
const OTHERWISE_DESCRIBED = 'The server describes this tool in another way than when it was accepted.'

const factsOf = (seen: SeenTool | null): ToolFacts =>
  seen === null ? unknownTool : { category: seen.category, risk: seen.risk }
