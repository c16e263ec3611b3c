/** A scan as text for a terminal: servers, their tools by level, and why each is where it is. */
import type { ScannedServer, ScannedTool } from '../domain/risk/scanned.ts'
import { type Risk, risks } from '../domain/risk.ts'
import { visible } from '../domain/visible.ts'
import type { Colours } from './io.ts'
import { pad, table, widthOf } from './table.ts'

const worstFirst = [...risks].reverse()
/** One line of evidence; `--json` and `--explain` have all of it. */
const WHY_WIDTH_MAX = 120

export function renderScan(servers: readonly ScannedServer[], colours: Colours): string[] {
  const lines: string[] = []
  for (const { name, tools } of servers) {
    const counts = worstFirst.map((risk) => `${tools.filter((tool) => tool.risk === risk).length} ${risk}`)
    lines.push(`${colours.bold(visible(name))}  ${tools.length} tools: ${counts.join(', ')}`, '')
    for (const risk of worstFirst) {
      const group = tools.filter((tool) => tool.risk === risk)
      if (group.length === 0) continue
      lines.push(`  ${paint(risk, colours)(colours.bold(risk.toUpperCase()))}`)
      const rows = group.map((tool) => [visible(tool.name), tool.category ?? 'unknown', why(tool)])
      lines.push(...table(rows.length === 0 ? [] : widened(rows)).map((line) => `    ${line}`), '')
    }
  }
  return lines
}

/** The table takes its widths from all rows; the last column is not padded. */
function widened(rows: readonly (readonly string[])[]): readonly (readonly string[])[] {
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => widthOf(row[column] ?? ''))))
  return rows.map(([name = '', category = '', reason = '']) => [
    pad(name, widths[0] ?? 0),
    pad(category, widths[1] ?? 0),
    reason,
  ])
}

function why({ evidence, category }: ScannedTool): string {
  const reasons = new Set<string>()
  const told = evidence
    .filter((one) => one.category === category || one.category === null)
    .filter(({ reason }) => (reasons.has(reason) ? false : reasons.add(reason)))
    .slice(0, 2)
  if (told.length === 0) return 'nothing says what it does'
  const text = told
    .map(({ quote, field, reason }) => `"${visible(quote)}" in ${place(field)}: ${reason}`)
    .join('; ')
  return text.length > WHY_WIDTH_MAX ? `${text.slice(0, WHY_WIDTH_MAX - 1)}…` : text
}

/** `inputSchema/properties/sql` reads better as `argument sql`. */
export function place(field: string): string {
  const argument = /\/properties\/([^/]+)$/.exec(field)?.[1]
  return argument === undefined ? visible(field) : `argument ${visible(argument)}`
}

/** The colour only repeats what the word says. */
export function paint(risk: Risk, { red, yellow, green }: Colours): (text: string) => string {
  return risk === 'low' ? green : risk === 'critical' ? red : yellow
}
