/** Policy revisions in memory. They pass the same contract as those in PostgreSQL. */
import type { InstantMs } from '../../src/domain/approval.ts'
import { approversDigest, type Revision, textDigest } from '../../src/domain/revision.ts'
import type { Revisions } from '../../src/ports/revisions.ts'

export interface MemoryRevisions extends Revisions {
  numbers(): ReadonlyMap<string, number>
}

export function createMemoryRevisions(nowMs: () => InstantMs): MemoryRevisions {
  const kept: Revision[] = []
  const listeners = new Set<() => void>()
  const of = (server: string) => kept.filter((revision) => revision.server === server)
  const numbers = () => new Map(kept.map(({ server, number }) => [server, number]))
  const lastWith = (server: string, has: (revision: Revision) => boolean) =>
    of(server).findLast(has)?.number ?? null
  return {
    numbers,
    inForce: async () => numbers(),
    inForceOf: async (server) => of(server).at(-1) ?? null,
    get: async (server, number) => of(server)[number - 1] ?? null,
    async history(server, limit, before) {
      return of(server)
        .filter(({ number }) => before === null || number < before)
        .reverse()
        .slice(0, limit)
        .map(({ text, ...head }) => ({ ...head, digest: textDigest(text) }))
    },
    lastWithText: async (server, digest) => lastWith(server, ({ text }) => textDigest(text) === digest),
    lastWithApprovers: async (server, digest) =>
      lastWith(server, ({ approvers }) => approversDigest(approvers) === digest),
    async putInForce(revision, after) {
      const { length } = of(revision.server)
      if ((after ?? 0) !== length) return null
      kept.push({ ...revision, number: length + 1, putAtMs: nowMs() })
      for (const listener of listeners) listener()
      return length + 1
    },
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
