/** `holdpoint stdio <server>`: a bridge between this process's standard streams and a gateway. */
import { type BridgeOptions, runBridge } from '../mcp/bridge/bridge.ts'
import { createLog } from './log.ts'

/** Standard output is the protocol's; what there is to say goes to standard error. */
export function bridgeStdio(options: Pick<BridgeOptions, 'url' | 'token'>): Promise<void> {
  const log = createLog('warn', process.stderr.isTTY)
  return runBridge({ ...options, input: process.stdin, output: process.stdout, log })
}
