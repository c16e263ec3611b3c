/** The shapes of the REST API about the kill switch. */
import { z } from '@hono/zod-openapi'
import { REASON_LENGTH_MAX } from '../domain/limits.ts'
import { PAGE_MAX } from './schemas.ts'

const PAGE_DEFAULT = 50
/** Names of agents may come out of tokens and are long there. */
const NAME_LENGTH_MAX = 500

/** What PostgreSQL cannot hold is nobody's name. */
const storable = (text: string) => !text.includes('\u0000')
const name = z.string().min(1).max(NAME_LENGTH_MAX).refine(storable, 'must not contain U+0000')
const reason = z
  .string()
  .trim()
  .min(1, 'say why: the agents are told, and so is whoever finds them stopped')
  .max(REASON_LENGTH_MAX)
  .refine(storable, 'must not contain U+0000')
const number = z.coerce.number().int().positive().max(2_147_483_647)

export const stopParam = z.object({ number })

export const stopsQuery = z.strictObject({
  lifted: z
    .enum(['true', 'false'])
    .default('false')
    .openapi({ description: '`true`: the whole history, newest first; otherwise what is stopped now' }),
  limit: z.coerce.number().int().min(1).max(PAGE_MAX).default(PAGE_DEFAULT),
  before: number.optional().openapi({ description: '`next` of the page before; only with `lifted=true`' }),
})

export const stopBody = z
  .union([
    z.strictObject({ everything: z.literal(true), reason }),
    z
      .strictObject({
        server: name.optional(),
        tool: name.optional().openapi({ description: 'only with its `server`' }),
        agent: name.optional().openapi({ description: 'the name of the principal' }),
        owner: name.optional().openapi({ description: 'only with `agent`: the person who answers for it' }),
        reason,
      })
      .refine(
        ({ server, agent }) => server !== undefined || agent !== undefined,
        'name a server or an agent, or say {"everything": true}',
      )
      .refine(({ server, tool }) => tool === undefined || server !== undefined, {
        message: 'a tool needs its server',
        path: ['tool'],
      })
      .refine(({ agent, owner }) => owner === undefined || agent !== undefined, {
        message: 'an owner needs the name of the agent',
        path: ['owner'],
      }),
  ])
  .openapi('StopRequest')
export type StopBody = z.infer<typeof stopBody>

export const stopView = z
  .object({
    number: z.number().int(),
    covers: z.object({
      server: z.string().nullable(),
      tool: z.string().nullable(),
      agent: z.string().nullable(),
      owner: z.string().nullable(),
    }),
    reason: z.string(),
    by: z.string(),
    at: z.string().openapi({ format: 'date-time' }),
    lifted: z
      .object({ by: z.string(), at: z.string().openapi({ format: 'date-time' }) })
      .nullable()
      .openapi({ description: 'null: in force' }),
  })
  .openapi('Stop')
export type StopView = z.infer<typeof stopView>

export const stopPage = z
  .object({ stops: z.array(stopView), next: z.number().int().nullable() })
  .openapi('StopPage')
export type StopPage = z.infer<typeof stopPage>

export const stopPut = z
  .object({
    stop: stopView,
    isNew: z.boolean().openapi({ description: 'false: the very same was stopped already' }),
    cancelled: z.number().int().openapi({ description: 'waiting calls cancelled before this was answered' }),
    isKnownAgent: z
      .boolean()
      .nullable()
      .openapi({ description: 'false: the configuration has no agent of this name; null: none was named' }),
  })
  .openapi('StopPut')
export type StopPut = z.infer<typeof stopPut>

export const stopLifted = z.object({ stop: stopView }).openapi('StopLifted')
