/** The shapes of the REST API about pinned tools. */
import { z } from '@hono/zod-openapi'
import { categories, risks } from '../domain/risk.ts'

const instant = z.string().openapi({ format: 'date-time', example: '2026-08-01T09:30:00.000Z' })
const digest = z.string().openapi({ description: 'SHA-256 of the definition, 64 hexadecimal digits' })

const definition = z.object({
  digest,
  category: z.enum(categories).nullable(),
  risk: z.enum(risks),
  at: instant,
})

export const pinnedTool = z
  .object({
    server: z.string(),
    tool: z.string(),
    state: z.enum(['accepted', 'changed', 'new']).openapi({
      description: 'people are asked about a changed or new one, whatever the policy lets pass',
    }),
    accepted: definition
      .extend({ by: z.string().openapi({ description: 'person:<id>, or the rule that took it' }) })
      .nullable(),
    waiting: definition
      .nullable()
      .openapi({ description: 'what the server says now, until somebody accepts it' }),
  })
  .openapi('PinnedTool')

export const pinnedTools = z.object({ tools: z.array(pinnedTool) }).openapi('PinnedTools')

export const toolParam = z.object({ server: z.string().max(64), tool: z.string().max(128) })

export const toolsQuery = z.strictObject({
  server: z.string().max(64).optional(),
  state: z
    .enum(['waiting', 'all'])
    .default('all')
    .openapi({ description: 'waiting: only changed and new ones' }),
})

export const toolDetail = z
  .object({
    tool: pinnedTool,
    difference: z
      .array(z.object({ path: z.string(), before: z.string().nullable(), after: z.string().nullable() }))
      .openapi({ description: 'from the accepted definition to the one that waits, member by member' }),
    isComplete: z.boolean().openapi({ description: 'false: there are more differences than are listed' }),
    definition: z
      .string()
      .openapi({ description: 'the canonical JSON of what waits, or else of what was accepted' }),
  })
  .openapi('PinnedToolDetail')

export const acceptBody = z
  .strictObject({
    digest: digest
      .regex(/^[0-9a-f]{64}$/, 'must be the full digest that was shown: 64 lower-case hexadecimal digits')
      .openapi({ description: 'of what waits, to take it; of what was accepted, to keep that' }),
  })
  .openapi('AcceptToolRequest')

export type PinnedToolView = z.infer<typeof pinnedTool>
