/** Which headers cross between a client and an upstream. Neither side's credentials or connection state do. */

/** They describe one connection (RFC 9110, section 7.6.1), or a body whose framing each hop states itself. */
const hopByHop = [
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]

const neverUp = new Set([
  ...hopByHop,
  // Credentials for us are none for the upstream (MCP, Authorization: tokens MUST NOT be passed through).
  'authorization',
  'cookie',
  // What the client's own origin and network path are is between it and us.
  'forwarded',
  'origin',
  'referer',
  'via',
  'x-real-ip',
  // Bodies are read here; no encoding is undone on the way.
  'accept-encoding',
  'content-encoding',
])
const neverUpPrefixes = ['proxy-', 'x-forwarded-', 'sec-']

const neverDown = new Set([
  ...hopByHop,
  // They speak about the upstream's origin; from us they would change ours.
  'alt-svc',
  'clear-site-data',
  'set-cookie',
  'strict-transport-security',
])
const neverDownPrefixes = ['proxy-', 'access-control-']

/** The headers of a request to an upstream. What the configuration sets wins. */
export function headersUp(
  client: Readonly<Record<string, string>>,
  configured: Readonly<Record<string, string>>,
): Record<string, string> {
  const listed = listedByConnection(client.connection)
  const kept = lowerCased(client).filter(
    ([name]) =>
      !neverUp.has(name) && !listed.has(name) && !neverUpPrefixes.some((prefix) => name.startsWith(prefix)),
  )
  return {
    ...Object.fromEntries(kept),
    ...Object.fromEntries(lowerCased(configured)),
    'accept-encoding': 'identity',
  }
}

/** The headers of an upstream's answer. */
export function headersDown(
  upstream: Readonly<Record<string, string | string[] | undefined>>,
): Record<string, string> {
  const connection = upstream.connection
  const listed = listedByConnection(Array.isArray(connection) ? connection.join(',') : connection)
  return Object.fromEntries(
    Object.entries(upstream).flatMap(([name, value]) =>
      value === undefined ||
      neverDown.has(name) ||
      listed.has(name) ||
      neverDownPrefixes.some((prefix) => name.startsWith(prefix))
        ? []
        : [[name, Array.isArray(value) ? value.join(', ') : value] as const],
    ),
  )
}

/** "Intermediaries MUST … remove any header field(s) listed in Connection" (RFC 9110, section 7.6.1). */
function listedByConnection(connection: string | undefined): ReadonlySet<string> {
  return new Set((connection ?? '').split(',').map((name) => name.trim().toLowerCase()))
}

function lowerCased(headers: Readonly<Record<string, string>>): (readonly [string, string])[] {
  return Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const)
}
