/** The sample NAVER WORKS server that runs until servers are configured: a program and a policy of this package. */
import { join } from 'node:path'
import { ok, type Result } from '../domain/result.ts'
import { readTextFile } from './document.ts'
import { packageRoot } from './package-root.ts'
import { readPolicy } from './policy-file.ts'
import type { Problem } from './problem.ts'
import type { ServerConfig } from './server-config.ts'

export const SAMPLE_SERVER = 'nworks'

export function sampleServer(
  dataDir: string,
  people: readonly string[],
  selfConfirm: boolean,
): Result<ReadonlyMap<string, ServerConfig>, Problem[]> {
  const root = packageRoot()
  const source = 'policies/nworks.json'
  const path = join(root, source)
  const text = readTextFile(path, source)
  if (!text.ok) return text
  const policy = readPolicy(source, text.value)
  if (!policy.ok) return policy
  const server: ServerConfig = {
    name: SAMPLE_SERVER,
    rules: { policy: policy.value, approvers: { groups: [], people, selfConfirm } },
    policyFile: { path, name: source, text: text.value },
    notes: [],
    extraMethods: [],
    passHeaders: [],
    scopes: [],
    recordsArguments: false,
    isTrusted: false,
    upstream: {
      kind: 'stdio',
      command: process.execPath,
      args: [join(root, 'dist/src/sample/main.js')],
      env: { NWORKS_SAMPLE_HOME: join(dataDir, 'sample-nworks') },
      cwd: null,
      // It keeps what it keeps where its own variable says.
      accounts: 'shared',
    },
  }
  return ok(new Map([[server.name, server]]))
}
