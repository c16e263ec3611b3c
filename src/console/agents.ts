/** "Your agents": reading a page of outcomes, and marking those on it as seen. */
import type { Context } from 'hono'
import { type ApprovalId, parseApprovalId } from '../domain/approval-id.ts'
import type { Outcomes } from '../ports/outcomes.ts'
import { agentsPage } from './agents-page.tsx'
import { type ConsoleEnv, formOf, isFormTokenOf, isFromOurPage } from './guard.ts'
import type { Reader } from './layout.tsx'
import { problemPage } from './problem-page.tsx'

const PAGE = 50

export function agentsRoutes(deps: {
  outcomes: Outcomes
  publicUrl: URL | null
  readerOf(c: Context<ConsoleEnv>): Reader
  missing(c: Context<ConsoleEnv>): Response | Promise<Response>
}) {
  const { outcomes, publicUrl, readerOf, missing } = deps
  return {
    async show(c: Context<ConsoleEnv>) {
      const after = c.req.query('after')
      const cursor = after === undefined ? null : parseApprovalId(after)
      if (cursor !== null && !cursor.ok) return missing(c)
      const found = await outcomes.of(c.get('person').id, PAGE, cursor?.value ?? null)
      const next = found.length < PAGE ? null : (found.at(-1)?.approval.id ?? null)
      return c.html(agentsPage({ outcomes: found, next, isFirst: cursor === null }, readerOf(c)))
    },

    async markSeen(c: Context<ConsoleEnv>) {
      const form = await formOf(c)
      if (!isFromOurPage(c, publicUrl) || !isFormTokenOf(c.get('token'), form?.get('token') ?? null)) {
        const text = 'This did not come from the page as you see it now. Nothing was marked; try again.'
        return c.html(problemPage(c.req.path, readerOf(c), text), 403)
      }
      // Only what stood on the page: what has ended since then is still new.
      const ids = (form?.getAll('id') ?? []).slice(0, PAGE).flatMap((text): ApprovalId[] => {
        const id = parseApprovalId(text)
        return id.ok ? [id.value] : []
      })
      await outcomes.markSeen(c.get('person').id, ids)
      return c.redirect('./agents', 303)
    },
  }
}
