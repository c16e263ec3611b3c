/** What really happened at the sample server, read from its own files behind the gateway's back. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

export interface Evidence {
  readonly isCredentialFileThere: boolean
  /** How often the tool really ran. */
  readonly runs: number
}

export async function lookAt(sampleHome: string, tool: string): Promise<Evidence> {
  const log = await readFile(join(sampleHome, 'calls.log'), 'utf8').catch(() => '')
  const runs = log.split('\n').filter((line) => line.includes(`"${tool}"`)).length
  return { isCredentialFileThere: existsSync(join(sampleHome, 'credentials.json')), runs }
}
