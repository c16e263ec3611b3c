/** Where the messages of an HTTP+SSE session go (MCP 2024-11-05, Transports): its server says it, and is believed only about itself. */
import { err, ok, type Result } from '../../../domain/result.ts'

/** Longer than any address that servers and what stands before them take. */
const CHARACTERS_MAX = 8 * 1024

/**
 * The path and query to POST to. An address at another origin would carry the credentials of this server, and approved
 * calls, to whomever it names.
 */
export function endpointPath(said: string, url: URL): Result<string, string> {
  if (said.length > CHARACTERS_MAX) return err(`an endpoint of more than ${CHARACTERS_MAX} characters`)
  const written = said.trim()
  if (written === '' || !URL.canParse(written, url.href)) return err('an endpoint that is no address')
  const endpoint = new URL(written, url)
  if (endpoint.origin !== url.origin)
    return err(`an endpoint at another origin (${endpoint.origin}), which is never used`)
  if (endpoint.username !== '' || endpoint.password !== '') return err('an endpoint with credentials in it')
  return ok(`${endpoint.pathname}${endpoint.search}`)
}
