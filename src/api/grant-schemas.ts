/** The shapes of the REST API about grants. */
import { z } from '@hono/zod-openapi'
import { grantState } from '../domain/grant.ts'
import { grantStateText, grantText } from '../domain/grant-text.ts'
import { REASON_LENGTH_MAX } from '../domain/limits.ts'
import type { SeenGrant } from '../services/grants.ts'
import { PAGE_MAX } from './schemas.ts'
import { iso } from './view.ts'

const PAGE_DEFAULT = 50

export const grantsQuery = z.strictObject({
  all: z
    .enum(['true', 'false'])
    .default('false')
    .openapi({ description: 'also those that cover nothing any more' }),
  limit: z.coerce.number().int().min(1).max(PAGE_MAX).default(PAGE_DEFAULT),
})

export const endGrantBody = z
  .strictObject({ reason: z.string().max(REASON_LENGTH_MAX).optional() })
  .openapi('EndGrantRequest')

const instant = z.string().openapi({ format: 'date-time' })

export const grantView = z
  .object({
    id: z.string().openapi({ description: 'the approval that it was given with' }),
    server: z.string(),
    tool: z.string(),
    requester: z.object({ name: z.string(), owner: z.string() }),
    by: z.string(),
    reason: z.string().nullable(),
    givenAt: instant,
    until: instant,
    usesMax: z.number().int(),
    used: z.number().int(),
    state: z.enum(['stands', 'used_up', 'over', 'ended', 'stopped', 'orphaned']).openapi({
      description:
        'orphaned: who gave it may not decide any more. One that stands covers nothing while its rule or tool is another one',
    }),
    ended: z.object({ by: z.string(), at: instant }).nullable(),
    text: z.string().openapi({ description: 'what it allows, in words' }),
    stateText: z.string(),
  })
  .openapi('Grant')
export type GrantView = z.infer<typeof grantView>

export const grantPage = z.object({ now: instant, grants: z.array(grantView) }).openapi('GrantPage')

export const grantDetail = z
  .object({
    now: instant,
    grant: grantView,
    uses: z.array(z.string()).openapi({ description: 'the approvals that it covered, oldest first' }),
  })
  .openapi('GrantDetail')

export const grantEnded = z.object({ grant: grantView }).openapi('EndedGrant')

export function toGrantView({ grant, approval, isOrphaned }: SeenGrant, nowMs: number): GrantView {
  const { id, server, tool, requester, by, reason, usesMax, used, ended } = grant
  const state = grantState(grant, nowMs)
  const isVoid = state === 'stands' && isOrphaned
  return {
    ...{ id, server, tool, requester: { ...requester }, by, reason, usesMax, used },
    givenAt: iso(grant.givenAtMs),
    until: iso(grant.untilMs),
    state: isVoid ? 'orphaned' : state,
    ended: ended === null ? null : { by: ended.by, at: iso(ended.atMs) },
    text: grantText(approval, usesMax, `until ${iso(grant.untilMs)}`),
    stateText: isVoid ? 'who gave it may not decide any more' : grantStateText(state, grant),
  }
}
