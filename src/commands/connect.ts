/** The exact lines that point a client at a server through the gateway with one agent's token. */
import type { Config, Surroundings } from '../config.ts'

export const endpointOf = (baseUrl: string, server: string) => `${baseUrl}/mcp/${server}`

/** Where clients reach the gateway: what was said, the public address, or where it listens by configuration. */
export function gatewayUrl({ env }: Surroundings, { publicUrl, host, port }: Config): string {
  const said =
    env.HOLDPOINT_URL || publicUrl?.href || `http://${host.includes(':') ? `[${host}]` : host}:${port}`
  return said.replace(/\/+$/, '')
}

export function connectLines(name: string, url: string, token: string): readonly string[] {
  const headers = { Authorization: `Bearer ${token}` }
  return [
    `claude mcp add --transport http ${name} ${url} --header "Authorization: Bearer ${token}"`,
    `Cursor, .cursor/mcp.json: ${JSON.stringify({ mcpServers: { [name]: { url, headers } } })}`,
    `code --add-mcp '${JSON.stringify({ name, type: 'http', url, headers })}'`,
  ]
}
