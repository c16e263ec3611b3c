/** Puts what this gateway's own files say in force, as far as it may be by itself. Several gateways agree on the outcome. */
import {
  approversDigest,
  type Offer,
  type PutBy,
  partsTaken,
  type Revision,
  textDigest,
} from '../domain/revision.ts'
import type { Log } from '../ports/log.ts'
import type { Revisions } from '../ports/revisions.ts'
import { changedLines } from './changed-lines.ts'

/** @returns the number it got; `null`: nothing of it came into force */
export type PutInForce = (offer: Offer, putBy: PutBy) => Promise<number | null>

/** Gateways that start at once take turns; more rounds than this mean something else is wrong. */
const ROUNDS_MAX = 20

export function createPutInForce({ revisions, log }: { revisions: Revisions; log: Log }): PutInForce {
  return async function putInForce(offer, putBy) {
    const { server } = offer
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const inForce = await revisions.inForceOf(server)
      const had = {
        text: await revisions.lastWithText(server, textDigest(offer.text)),
        approvers: await revisions.lastWithApprovers(server, approversDigest(offer.approvers)),
      }
      const next = partsTaken(offer, inForce, had, putBy)
      if (next === null) return null
      const number = await revisions.putInForce(next, inForce?.number ?? null)
      if (number === null) continue
      const { source, text, approvers } = next
      const changed = inForce === null ? [] : changedLines(inForce, { text, approvers })
      log.info({ server, revision: number, source, changed }, sentence(next, number, inForce))
      return number
    }
    throw new Error(`the policy of ${server} kept changing for ${ROUNDS_MAX} rounds`)
  }
}

function sentence(next: Pick<Revision, 'server' | 'source' | 'text'>, number: number, was: Revision | null) {
  const { server, source, text } = next
  const what = was !== null && was.text === text ? `${source} with other approvers` : source
  return `${what} was put in force for ${server} as revision ${number}`
}
