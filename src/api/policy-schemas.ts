/** The shapes of the REST API about policies. */
import { z } from '@hono/zod-openapi'
import { PAGE_MAX } from './schemas.ts'
import { simulationView } from './simulation-schemas.ts'

const PAGE_DEFAULT = 50
const SERVER_LENGTH_MAX = 64
/** What the reader of policies takes at most. */
const TEXT_LENGTH_MAX = 1024 * 1024
const SOURCE_LENGTH_MAX = 500

const server = z.string().max(SERVER_LENGTH_MAX).openapi({ example: 'github' })
const revisionNumber = z.coerce.number().int().positive()

export const serverParam = z.object({ server })
export const numberParam = z.object({ server, number: z.union([z.literal('in-force'), revisionNumber]) })

export const historyQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(PAGE_MAX).default(PAGE_DEFAULT),
  before: revisionNumber.optional().openapi({ description: '`next` of the page before' }),
})

const revisionRow = z.object({
  server: z.string(),
  number: z.number().int(),
  source: z.string().openapi({ description: 'the file, as people know it' }),
  digest: z.string().openapi({ description: 'SHA-256 of its text' }),
  approvers: z.object({
    groups: z.array(z.string()),
    people: z.array(z.string()),
    selfConfirm: z.boolean(),
  }),
  putBy: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('file_at_start') }),
    z.object({ kind: z.literal('file_changed') }),
    z.object({ kind: z.literal('person'), person: z.string(), restores: z.number().int().nullable() }),
  ]),
  putAt: z.string().openapi({ format: 'date-time' }),
})
export type RevisionRow = z.infer<typeof revisionRow>

export const revisionPage = z
  .object({ revisions: z.array(revisionRow), next: z.number().int().nullable() })
  .openapi('PolicyRevisionPage')
export type RevisionPage = z.infer<typeof revisionPage>

export const revisionView = revisionRow
  .extend({
    text: z.string().nullable().openapi({ description: 'null: no policy, so that its calls are refused' }),
  })
  .openapi('PolicyRevision')
export type RevisionView = z.infer<typeof revisionView>

export const policyWish = z
  .union([
    z.strictObject({
      source: z.string().min(1).max(SOURCE_LENGTH_MAX).openapi({ description: 'how people know this text' }),
      text: z.string().min(1).max(TEXT_LENGTH_MAX),
    }),
    z.strictObject({
      rollback: z
        .number()
        .int()
        .positive()
        .nullable()
        .openapi({ description: 'a number; null is the one before the one in force' }),
    }),
  ])
  .openapi('PolicyWish')
export type WishBody = z.infer<typeof policyWish>

export const simulationRequest = z
  .strictObject({
    wish: policyWish,
    spanMs: z.number().int().positive().openapi({ description: 'how far back, in milliseconds' }),
  })
  .openapi('SimulationRequest')

export const policyRequest = z
  .strictObject({
    wish: policyWish,
    inForce: z
      .number()
      .int()
      .nullable()
      .openapi({ description: 'the number that `preview` said is in force; another one refuses' }),
  })
  .openapi('PolicyRequest')

export const policyPreview = z
  .object({
    inForce: z.number().int().nullable(),
    effects: z.array(
      z.object({
        id: z.string(),
        tool: z.string(),
        requester: z.string(),
        status: z.enum(['pending', 'approved']),
        becomes: z.enum(['kept', 'no_longer_asked', 'asked_again', 'forbidden']).openapi({
          description: '`no_longer_asked` calls stay as they are: people were asked already',
        }),
        why: z.string().nullable(),
      }),
    ),
    isMore: z.boolean().openapi({ description: 'there are more open calls than were looked at' }),
    recent: simulationView.nullable().openapi({
      description: 'the last seven days under it; null: the decision log cannot be read',
    }),
  })
  .openapi('PolicyPreview')
export type PolicyPreview = z.infer<typeof policyPreview>

export const policyPut = z.object({ number: z.number().int() }).openapi('PolicyInForce')
