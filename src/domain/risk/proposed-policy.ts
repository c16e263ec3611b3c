/** A policy from a scan: reading passes, whatever changes is asked about, with the reason; and what nobody knows is asked about too. */
import type { ScannedServer, ScannedTool } from './scanned.ts'

/** What the gateway and the policy language take; a tool of another name is never served. */
const servable = /^[A-Za-z0-9_.-]{1,128}$/

/** What no policy takes as a key, because programs take it for something else; as a value it is a name like any other. */
const noKeys = new Set(['__proto__', 'constructor', 'prototype'])

export const mayPass = ({ category, risk }: ScannedTool): boolean =>
  category === 'read' && (risk === 'low' || risk === 'medium')

/** YAML that `holdpoint validate` accepts. @param madeBy says in a comment where it comes from; one line */
export function proposedPolicy({ name, tools }: ScannedServer, madeBy: string): string {
  const named = [...new Map(tools.map((tool) => [tool.name, tool])).values()].filter((tool) =>
    servable.test(tool.name),
  )
  const passing = named.filter(mayPass).sort(byName)
  const asked = named.filter((tool) => !mayPass(tool) && !noKeys.has(tool.name))
  const askedByValue = named.filter((tool) => !mayPass(tool) && noKeys.has(tool.name))
  const left = tools.length - named.length
  return [
    `# ${comment(name)}: reading passes, everything else asks a person. ${comment(madeBy)}`,
    '# Read it before it is in force: it stands on what the server says about its own tools.',
    ...(left > 0
      ? [`# ${left} tools have names that no client could call, or are listed twice; they have no rule.`]
      : []),
    '',
    'default: require_approval',
    '',
    ...(passing.length > 0 ? ['allow:', ...passing.map((tool) => `  - ${key(tool.name)}`), ''] : []),
    ...(asked.length > 0 ? ['require_approval:', ...asked.map(rule)] : []),
    ...(askedByValue.length > 0 ? ['', 'rules:', ...askedByValue.map(ruleByValue)] : []),
    '',
  ].join('\n')
}

const byName = (a: ScannedTool, b: ScannedTool) => (a.name < b.name ? -1 : 1)

function rule({ name, risk, category, evidence }: ScannedTool): string {
  return `  ${key(name)}: ${JSON.stringify(reasonOf({ risk, category, evidence }))}`
}

const ruleByValue = (tool: ScannedTool) =>
  `  - { tools: ${tool.name}, action: require_approval, reason: ${JSON.stringify(reasonOf(tool))} }`

/** One sentence for the person who is asked. */
export function reasonOf({
  risk,
  category,
  evidence,
}: Pick<ScannedTool, 'risk' | 'category' | 'evidence'>): string {
  const level = `${risk.charAt(0).toUpperCase()}${risk.slice(1)}`
  const first = evidence.find((one) => one.category === category) ?? evidence[0]
  if (category === null || first === undefined) return `${level}: nothing says what this tool does.`
  const others = evidence.filter((one) => one.category === null && one.reason !== first.reason).slice(0, 2)
  return `${level}, ${category}: ${[first, ...others].map(({ reason }) => reason).join('; ')}.`
}

const comment = (text: string) => text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, ' ')

/** Quoted where YAML would read something else than text: `null`, `1e3`, `-`. */
const key = (name: string) =>
  /^[A-Za-z][A-Za-z0-9_-]*$/.test(name) && !/^(?:null|true|false|yes|no|on|off|y|n)$/i.test(name)
    ? name
    : JSON.stringify(name)
