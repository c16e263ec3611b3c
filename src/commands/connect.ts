/** Where clients reach the gateway. */
import type { Config, Surroundings } from '../config.ts'

export const endpointOf = (baseUrl: string, server: string) => `${baseUrl}/mcp/${server}`

/** What was said, the public address, or where it listens by configuration. */
export function gatewayUrl({ env }: Surroundings, { publicUrl, host, port }: Config): string {
  const said =
    env.HOLDPOINT_URL || publicUrl?.href || `http://${host.includes(':') ? `[${host}]` : host}:${port}`
  return said.replace(/\/+$/, '')
}
