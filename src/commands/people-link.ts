/** `people link`: a one-time code by which a person signs in to the console or links their account in a channel. */
import { issueLinkCode, signInLink } from '../auth/link-code.ts'
import { LINK_CODE_VALID_MS } from '../domain/link-code.ts'
import { spanText } from '../domain/present.ts'
import { gatewayUrl } from './connect.ts'
import { withCredentials } from './credentials.ts'
import type { ExitCode } from './io.ts'
import type { Parts } from './parts.ts'
import { noSuchPerson } from './people.ts'
import { printJson, tell } from './session.ts'

export function personLink(parts: Parts, id: string, { json }: { json: boolean }): Promise<ExitCode> {
  const { io, surroundings } = parts
  return withCredentials(parts, async (config, _credentials, identities) => {
    const person = config.people.get(id)
    if (person === undefined) {
      tell(io, noSuchPerson(config, id))
      return 2
    }
    const code = await issueLinkCode(identities, id)
    const baseUrl = gatewayUrl(surroundings, config)
    const link = isAddress(baseUrl) ? signInLink(baseUrl, code) : null
    if (json) {
      printJson(io, { id, code, link, validMs: LINK_CODE_VALID_MS })
      return 0
    }
    io.out(
      `A one-time code for ${person.name}. Whoever uses it first is ${id}; it works once, within ${spanText(LINK_CODE_VALID_MS)}.\n`,
    )
    io.out(`  In the browser   ${link ?? `${code}, on the page /sign-in of this gateway`}`)
    if (config.channels.slack !== null) io.out(`  In Slack         /holdpoint link ${code}`)
    return 0
  })
}

/** "All interfaces" is where a server listens, and nowhere a browser can go. */
const isAddress = (url: string) => !['0.0.0.0', '[::]'].includes(new URL(url).hostname)
