/** What the demo runs in: a directory of its own with a real `holdpoint.yaml`, one approver, one agent of somebody else. */
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import { type Config, formatProblems, loadConfig } from '../config.ts'

export const AGENT = 'night-agent'

export interface DemoSurroundings {
  readonly config: Config
  /** Whoever sits at this terminal. */
  readonly approver: string
  readonly sampleHome: string
  remove(): Promise<void>
}

const packageFile = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url))

/** @param decisionMs how long the person has */
export async function makeSurroundings(decisionMs: number): Promise<DemoSurroundings> {
  const directory = await mkdtemp(join(tmpdir(), 'holdpoint-demo-'))
  const sampleHome = join(directory, 'nworks')
  const file = join(directory, 'holdpoint.yaml')
  const approver = userName()
  await mkdir(sampleHome)
  await mkdir(join(directory, 'policies'))
  await cp(packageFile('policies/nworks.json'), join(directory, 'policies/nworks.json'))
  await writeFile(
    file,
    stringify({
      people: { [approver]: {}, mina: { name: 'Kim Mina' } },
      agents: { [AGENT]: { owner: 'mina' } },
      servers: {
        nworks: {
          command: process.execPath,
          args: [packageFile('dist/src/sample/main.js')],
          env: { NWORKS_SAMPLE_HOME: sampleHome },
          policy: 'policies/nworks.json',
          approvers: [approver],
        },
      },
      timings: { decision: `${decisionMs}ms`, progress: '5s' },
    }),
  )
  // Nothing of the person's own environment: no database, no queue, no other configuration.
  const env = {
    HOLDPOINT_CONFIG: file,
    HOLDPOINT_DATA: join(directory, 'data'),
    PORT: '0',
    LOG_LEVEL: 'warn',
  }
  const loaded = loadConfig({ env, cwd: directory })
  if (!loaded.ok) throw new Error(formatProblems(loaded.error))
  return {
    config: loaded.value,
    approver,
    sampleHome,
    remove: () => rm(directory, { recursive: true, force: true }),
  }
}

/** As names are written in `holdpoint.yaml`, and not that of the agent's owner, who may not decide. */
function userName(): string {
  try {
    const { username } = userInfo()
    return /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/.test(username) && username !== 'mina' ? username : 'you'
  } catch {
    // A container may run under a user id that has no entry in its user database.
    return 'you'
  }
}
