/**
 * Which documented attacks abuse the kind of access that a tool gives. Names are the public ones, so that people can look them up;
 * the sentences say what it looks like at a gateway and what helps.
 */
import type { Category } from '../risk.ts'

export interface Attack {
  readonly name: string
  readonly what: string
  readonly helps: string
}

const toolPoisoning: Attack = {
  name: 'Tool poisoning (OWASP MCP03; Invariant Labs, 2025)',
  what: 'Instructions hidden in a description, or in what a tool returns, make the agent call other tools.',
  helps:
    'The call that follows is judged by the policy, whoever wrote the instruction; what changes or sends is asked about.',
}
const rugPull: Attack = {
  name: 'Rug pull (MCPoison, CVE-2025-54136)',
  what: 'A tool is approved once and changes its meaning later, under the same name.',
  helps: 'An approval is bound to the definition that was shown; a changed one is asked about anew.',
}
const exfiltration: Attack = {
  name: 'Data exfiltration by a lethal trifecta (OWASP MCP10, over-sharing)',
  what: 'An agent that reads private data and untrusted text, and can send, is talked into sending the one because of the other.',
  helps: 'Ask about whatever leaves the house: messages, mail, uploads, addresses that the caller chooses.',
}
const confusedDeputy: Attack = {
  name: 'Confused deputy (MCP specification, Security Best Practices)',
  what: 'The server acts with rights that the person behind the agent does not have.',
  helps: 'Arguments that name other accounts (`userId` and its like) are asked about.',
}
const commandInjection: Attack = {
  name: 'Command injection (OWASP MCP05)',
  what: 'Text from elsewhere becomes part of a command, a query or a page script.',
  helps: 'A person sees the whole command before it runs; read-only work gets tools that cannot do more.',
}
const intentSubversion: Attack = {
  name: 'Goal hijack (OWASP MCP06; ASI01)',
  what: 'The agent does the wrong thing with perfectly good arguments.',
  helps:
    'A person sees the exact call and who asked for it, and decides within a deadline that never approves by itself.',
}
const fatigue: Attack = {
  name: 'Approval fatigue (ASI09, human-agent trust exploitation)',
  what: 'Many harmless questions train people to say yes; the harmful one comes last.',
  helps: 'Let reading pass, so that few questions are left, and limit how many one agent may have open.',
}
const scopeCreep: Attack = {
  name: 'Privilege escalation by scope creep (OWASP MCP02; ASI03)',
  what: 'Rights are widened a little at a time: a role here, a webhook there, a filter that forwards mail.',
  helps: 'Ask about every change of roles, members, webhooks and tokens.',
}
const secrets: Attack = {
  name: 'Token mismanagement and secret exposure (OWASP MCP01)',
  what: 'Secrets that a tool returns end up in a conversation, a log or a card, and from there elsewhere.',
  helps: 'Ask about reading secrets, or hide the tool; give the server credentials with little scope.',
}
const ssrf: Attack = {
  name: 'Server-side request forgery (CVE-2026-26118 in Azure MCP, 8.8)',
  what: 'An address that the caller chooses points inside the network, at a metadata service for example.',
  helps:
    'Allow only known hosts by a condition on the argument, and run the server without a way into the network.',
}
const traversal: Attack = {
  name: 'Path traversal and symlink escape (CVE-2025-53109 and CVE-2025-53110 in the filesystem server)',
  what: 'A path leaves the folder that was meant, and reads or writes files of the machine.',
  helps:
    'Ask about arguments that are paths of the machine; start the server with one folder and little right.',
}
const misuse: Attack = {
  name: 'Tool misuse and cascading failure (ASI02, ASI08)',
  what: 'A loop or a mistake repeats an action that cannot be taken back.',
  helps: 'One approval is one call, at most once; limits bound the rest.',
}

const byCategory: Readonly<Record<Category, readonly Attack[]>> = {
  read: [toolPoisoning, exfiltration],
  write: [intentSubversion, rugPull, fatigue],
  execute: [commandInjection, toolPoisoning, rugPull],
  financial: [intentSubversion, misuse, rugPull],
  destructive: [misuse, intentSubversion, rugPull],
}
const byRule: Readonly<Record<string, readonly Attack[]>> = {
  'secret-in-name': [secrets],
  'access-in-name': [scopeCreep],
  'address-argument': [ssrf, exfiltration],
  'local-file-argument': [traversal, exfiltration],
  'path-argument': [traversal],
  'people-argument': [exfiltration, confusedDeputy],
  'code-argument': [commandInjection],
  'operation-open': [commandInjection],
  'browser-in-name': [toolPoisoning, confusedDeputy],
  'destructive-hint': [misuse],
}

/** @param rules that fired for the tool; what they point at comes first */
export function attacksOn(category: Category | null, rules: readonly string[]): readonly Attack[] {
  const found = rules.flatMap((rule) => byRule[rule] ?? [])
  return [
    ...new Set([
      ...found,
      ...(category === null ? [rugPull, toolPoisoning, intentSubversion] : byCategory[category]),
    ]),
  ]
}
