/** `stdio <server>`: MCP on standard streams, brought to the gateway. Its parameters come from the client's configuration. */
import { CLI } from '../domain/command-line.ts'
import type { ExitCode } from './io.ts'
import type { Parts } from './parts.ts'
import { tell } from './session.ts'
import { gatewayAddress } from './settings.ts'

export async function stdio({ io, surroundings, bridge }: Parts, server: string): Promise<ExitCode> {
  const address = gatewayAddress(surroundings)
  if (!address.ok) {
    tell(io, address.error)
    return 2
  }
  if (!/^[a-z0-9][a-z0-9_-]{0,63}$/.test(server)) {
    tell(io, {
      message: `"${server}" cannot be the name of a server.`,
      remedy: 'Name one as in holdpoint.yaml.',
    })
    return 2
  }
  const token = surroundings.env.HOLDPOINT_AGENT_TOKEN?.trim() || null
  if (token !== null && !/^[A-Za-z0-9._~+/=-]+$/.test(token)) {
    tell(io, {
      message: 'HOLDPOINT_AGENT_TOKEN holds characters that no token has.',
      remedy: `Copy it again, without quotes; \`${CLI} agents add <name>\` makes one.`,
    })
    return 2
  }
  await bridge({ url: `${address.value}/mcp/${server}`, token })
  return 0
}
