/** One-time codes by which a person says who they are at another door: how they look, and the hash under which they are kept. */
import { TICKET_ALPHABET } from './approval-id.ts'
import { sha256 } from './canonical.ts'

/** 60 bits, for ten minutes, used up by the first who shows it: nobody guesses one. */
export const LINK_CODE_LENGTH = 12
export const LINK_CODE_VALID_MS = 10 * 60 * 1_000

const shape = new RegExp(`^[${TICKET_ALPHABET}]{${LINK_CODE_LENGTH}}$`)

/** As people read it: `7K2M-9Q4T-0XAB`. */
export const formatLinkCode = (code: string): string => (code.match(/.{1,4}/g) ?? []).join('-')

/** Forgives case, dashes and blanks. `null`: this cannot be a code of ours, so nothing needs to be looked up. */
export function linkCodeHash(typed: string): string | null {
  const code = typed.replace(/[\s-]/g, '').toUpperCase()
  return shape.test(code) ? sha256(code) : null
}
