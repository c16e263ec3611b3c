/** The one-time code by which a person proves who they are, in the console or in a channel: `7K2M9-Q4T0X`. Kept as a hash only. */
import { TICKET_ALPHABET } from './approval-id.ts'
import { sha256 } from './canonical.ts'

/** Crockford's base 32, so that it can be typed from another screen. */
export const LINK_CODE_ALPHABET = TICKET_ALPHABET
/** 50 bits: with attempts bounded and minutes to live, nobody guesses one. */
export const LINK_CODE_LENGTH = 10
/** Long enough to change the device, too short to be found later. */
export const LINK_CODE_VALID_MS = 10 * 60_000

const GROUP = 5
const shape = new RegExp(`^[${LINK_CODE_ALPHABET}]{${LINK_CODE_LENGTH}}$`)
/** What people type instead of a digit (Crockford), and what they type between the groups. */
const typed: Readonly<Record<string, string>> = { O: '0', I: '1', L: '1' }
/** More than this is not a code with blanks in it. */
const TYPED_LENGTH_MAX = 40

/** @returns the hash it is kept under; `null`: this cannot be a code */
export function linkCodeHash(text: string): string | null {
  if (text.length > TYPED_LENGTH_MAX) return null
  const code = text
    .toUpperCase()
    .replace(/[\s-]/g, '')
    .replace(/[OIL]/g, (letter) => typed[letter] ?? letter)
  return shape.test(code) ? sha256(`link-code ${code}`) : null
}

export const groupedLinkCode = (code: string): string => `${code.slice(0, GROUP)}-${code.slice(GROUP)}`
