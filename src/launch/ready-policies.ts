/** The policies that come with this package, and the tools that each names. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../files/package-root.ts'

interface ReadyPolicy {
  /** `policies/github.yaml` */
  readonly file: string
  readonly tools: readonly string[]
}

function readyPolicies(): readonly ReadyPolicy[] {
  const directory = join(packageRoot(), 'policies')
  return readdirSync(directory)
    .filter((name) => /\.(?:ya?ml|json)$/.test(name) && !/\.(?:test\.ya?ml|schema\.json)$/.test(name))
    .map((name) => {
      const text = readFileSync(join(directory, name), 'utf8')
      return { file: `policies/${name}`, tools: [...new Set(text.match(/[A-Za-z0-9_.-]+/g) ?? [])] }
    })
}

let read: readonly ReadyPolicy[] | null = null

/** The files that name this tool; read once for each process. */
export function readyFor(tool: string): readonly string[] {
  read ??= readyPolicies()
  return read.filter(({ tools }) => tools.includes(tool)).map(({ file }) => file)
}
