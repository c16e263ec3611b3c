/** The policies that come with this package, and the tools that each is made for. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../files/package-root.ts'

interface ReadyPolicy {
  /** `policies/github.yaml` */
  readonly file: string
  readonly tools: ReadonlySet<string>
}

/** Each has a table beside it with a line for every tool of its server: `  - create_issue → require_approval`. */
const TABLE = '.test.yaml'
const LINE = /^\s+- ['"]?([A-Za-z0-9_.-]+)(?: \{.*)? → /gmu

function readyPolicies(): readonly ReadyPolicy[] {
  const directory = join(packageRoot(), 'policies')
  const names = readdirSync(directory)
  return names
    .filter((name) => name.endsWith(TABLE))
    .flatMap((table) => {
      const stem = table.slice(0, -TABLE.length)
      const name = [`${stem}.yaml`, `${stem}.json`].find((one) => names.includes(one))
      const lines = readFileSync(join(directory, table), 'utf8').matchAll(LINE)
      return name === undefined
        ? []
        : [{ file: `policies/${name}`, tools: new Set([...lines].map(([, tool = '']) => tool)) }]
    })
}

let read: readonly ReadyPolicy[] | null = null

/** The files that are made for a tool of this name; read once for each process. */
export function readyFor(tool: string): readonly string[] {
  read ??= readyPolicies()
  return read.filter(({ tools }) => tools.has(tool)).map(({ file }) => file)
}
