/** Makes the one-time code of a person: told once, kept as a hash, gone after its first use or ten minutes. */
import { randomInt } from 'node:crypto'
import {
  groupedLinkCode,
  LINK_CODE_ALPHABET,
  LINK_CODE_LENGTH,
  LINK_CODE_VALID_MS,
  linkCodeHash,
} from '../domain/link-code.ts'
import type { Identities } from '../ports/identities.ts'

/** @returns the code as a person reads it */
export async function issueLinkCode(
  identities: Pick<Identities, 'addCode'>,
  person: string,
): Promise<string> {
  const symbols = Array.from({ length: LINK_CODE_LENGTH }, () =>
    LINK_CODE_ALPHABET.charAt(randomInt(LINK_CODE_ALPHABET.length)),
  )
  const code = groupedLinkCode(symbols.join(''))
  const hash = linkCodeHash(code)
  if (hash === null) throw new Error('made a code that is none')
  await identities.addCode(hash, person, LINK_CODE_VALID_MS)
  return code
}

/** The code stands behind `#`: browsers send that part to nobody, so no log, proxy or link preview sees it. */
export const signInLink = (baseUrl: string, code: string): string =>
  `${baseUrl.replace(/\/+$/, '')}/sign-in#${code}`
