/** The labelled tools of public servers, and what the classifier makes of them. `README.md` beside this says how they were labelled. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { JsonValue } from '../../src/domain/canonical.ts'
import { type Classification, classify } from '../../src/domain/risk/classify.ts'
import { type Category, categories, type Risk, risks } from '../../src/domain/risk.ts'

export const parts = ['tuning', 'seen', 'held-out'] as const
export type Part = (typeof parts)[number]

const fileShape = z.strictObject({
  server: z.string(),
  package: z.string(),
  version: z.string().nullable(),
  repository: z.string().nullable(),
  license: z.string().nullable(),
  tools: z.array(
    z.strictObject({
      label: z.strictObject({ category: z.enum(categories), risk: z.enum(risks) }),
      tool: z.record(z.string(), z.json()),
    }),
  ),
})

interface Labelled {
  /** `server.tool` */
  readonly name: string
  readonly label: { readonly category: Category; readonly risk: Risk }
  readonly tool: Readonly<Record<string, JsonValue>>
  readonly found: Classification
}

const directory = join(import.meta.dirname, 'tools')

export function labelled(part: Part): Labelled[] {
  return readdirSync(join(directory, part)).flatMap((file) => {
    const { server, tools } = fileShape.parse(JSON.parse(readFileSync(join(directory, part, file), 'utf8')))
    return tools.map(({ label, tool }) => ({
      name: `${server}.${tool.name}`,
      label,
      tool,
      found: classify(tool, { isTrusted: false }),
    }))
  })
}

export const serversOf = (part: Part): string[] => readdirSync(join(directory, part))

/** Rows of a Markdown table: for each category how many of those called so are (precision), and how many that are were called so (recall). */
export function measured(part: Part): string[] {
  const all = labelled(part)
  const share = (some: number, of: number) => (of === 0 ? '–' : (some / of).toFixed(3))
  return categories.map((category) => {
    const are = all.filter(({ label }) => label.category === category)
    const called = all.filter(({ found }) => found.category === category)
    const both = are.filter(({ found }) => found.category === category).length
    return `| ${part} | ${category} | ${are.length} | ${share(both, called.length)} | ${share(both, are.length)} |`
  })
}
