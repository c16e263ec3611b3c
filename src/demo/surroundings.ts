/** What the demo runs in: a directory of its own with a real `holdpoint.yaml`, one approver, one agent of somebody else. */
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import { type Config, formatProblems, loadConfig } from '../config.ts'

export const APPROVER = 'you'
export const AGENT = 'night-agent'

export interface DemoSurroundings {
  readonly config: Config
  readonly sampleHome: string
  remove(): Promise<void>
}

const packageFile = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url))

/** @param decisionMs how long the person has */
export async function makeSurroundings(decisionMs: number): Promise<DemoSurroundings> {
  const directory = await mkdtemp(join(tmpdir(), 'holdpoint-demo-'))
  const sampleHome = join(directory, 'nworks')
  const file = join(directory, 'holdpoint.yaml')
  await mkdir(sampleHome)
  await mkdir(join(directory, 'policies'))
  await cp(packageFile('policies/nworks.json'), join(directory, 'policies/nworks.json'))
  await writeFile(
    file,
    stringify({
      people: { [APPROVER]: { name: userName() }, mina: { name: 'Kim Mina' } },
      agents: { [AGENT]: { owner: 'mina' } },
      servers: {
        nworks: {
          command: process.execPath,
          args: [packageFile('dist/src/sample/main.js')],
          env: { NWORKS_SAMPLE_HOME: sampleHome },
          policy: 'policies/nworks.json',
          approvers: [APPROVER],
        },
      },
      timings: { decision: `${decisionMs}ms`, progress: '2s' },
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
    sampleHome,
    remove: () => rm(directory, { recursive: true, force: true }),
  }
}

function userName(): string {
  try {
    return userInfo().username
  } catch {
    return APPROVER
  }
}
