/** The shapes of the REST API about suggested rules. */
import { z } from '@hono/zod-openapi'
import type { Suggestion } from '../domain/suggestion.ts'
import type { Suggested } from '../services/suggest.ts'
import { iso } from './view.ts'

export const suggestRequest = z
  .strictObject({
    spanMs: z.number().int().positive().openapi({ description: 'how far back, in milliseconds' }),
    decisionsMin: z.number().int().min(3).max(1_000).default(5),
    peopleMin: z.number().int().min(2).max(20).default(2),
  })
  .openapi('SuggestRequest')

const suggestion = z.object({
  action: z.enum(['allow', 'deny']),
  tool: z.string(),
  when: z.record(z.string(), z.unknown()).nullable().openapi({ description: 'null: every call of the tool' }),
  open: z
    .array(z.string())
    .openapi({ description: 'arguments that were always different and are not limited' }),
  evidence: z.object({
    decisions: z.number().int(),
    people: z.array(z.object({ person: z.string(), decisions: z.number().int() })),
    agents: z.array(z.string()),
    from: z.string().openapi({ format: 'date-time' }),
    to: z.string().openapi({ format: 'date-time' }),
    tickets: z.array(z.string()).openapi({ description: 'the newest five' }),
  }),
})
export type SuggestionView = z.infer<typeof suggestion>

export const suggestedView = z
  .object({
    server: z.string(),
    revision: z.number().int().openapi({ description: 'of the policy in force, which they would change' }),
    source: z.string(),
    decisions: z.number().int().openapi({ description: 'that were looked at' }),
    isMore: z.boolean().openapi({ description: 'these are the newest, not all' }),
    suggestions: z.array(suggestion),
    left: z
      .array(suggestion.extend({ why: z.string() }))
      .openapi({ description: 'found, and not part of the text' }),
    text: z.string().openapi({ description: 'of the policy in force' }),
    amended: z.string().openapi({ description: 'the same with the suggestions; nothing was put in force' }),
  })
  .openapi('SuggestedRules')
export type SuggestedView = z.infer<typeof suggestedView>

const TICKETS_SHOWN = 5

export function toSuggested(server: string, suggested: Suggested): SuggestedView {
  const { revision, source, decisions, isMore, suggestions, left, text, amended } = suggested
  return {
    ...{ server, revision, source, decisions, isMore, text, amended },
    suggestions: suggestions.map(toView),
    left: left.map((one) => ({ ...toView(one.suggestion), why: one.why })),
  }
}

function toView({ action, tool, when, open, evidence }: Suggestion): SuggestionView {
  const counts = new Map<string, number>()
  for (const { by } of evidence) counts.set(by, (counts.get(by) ?? 0) + 1)
  const times = evidence.map(({ atMs }) => atMs)
  return {
    ...{ action, tool, when: when === null ? null : { ...when }, open: [...open] },
    evidence: {
      decisions: evidence.length,
      people: [...counts]
        .map(([person, number]) => ({ person, decisions: number }))
        .sort((a, b) => b.decisions - a.decisions || (a.person < b.person ? -1 : 1)),
      agents: [...new Set(evidence.map(({ agent }) => agent))].sort(),
      from: iso(Math.min(...times)),
      to: iso(Math.max(...times)),
      tickets: evidence.slice(0, TICKETS_SHOWN).map(({ id }) => id),
    },
  }
}
