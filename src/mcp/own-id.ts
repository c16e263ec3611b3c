/**
 * JSON-RPC ids of our own requests on a session that a client uses too. Whoever knows such an id could send a request under
 * it, and so take, forge or cancel the answer: they are random, no client learns one, and no client may use their prefix.
 */
import { randomUUID } from 'node:crypto'

const PREFIX = 'holdpoint-'

export const newOwnId = (): string => `${PREFIX}${randomUUID()}`

export const isOwnId = (id: unknown): boolean => typeof id === 'string' && id.startsWith(PREFIX)
