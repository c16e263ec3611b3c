/** A server written with FastMCP, behind the gateway: its calls wait for people as anybody's do. */
import type { RealClient } from './client.ts'
import { sdkClients } from './sdk.ts'
import { installedVersion, suite } from './versions.ts'

export const fastmcp: readonly RealClient[] = sdkClients
  .filter(({ name }) => name === 'sdk-v1')
  .map((client) => ({
    ...client,
    name: 'fastmcp-server',
    version: installedVersion('fastmcp', suite),
    limit: 'callTool timeout of SDK v1',
    server: 'fast',
  }))
