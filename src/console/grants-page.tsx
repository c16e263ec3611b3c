/** What people have allowed beyond single calls: in words, how often it was used, until when; and a button that ends it. */

import { type Context, Hono } from 'hono'
import { parseApprovalId } from '../domain/approval-id.ts'
import { authorise } from '../domain/authority.ts'
import { grantState } from '../domain/grant.ts'
import { grantStateText, grantText } from '../domain/grant-text.ts'
import { visible } from '../domain/visible.ts'
import type { Grants, SeenGrant } from '../services/grants.ts'
import { type Acted, ActedNotice } from './acted.tsx'
import { type ConsoleEnv, formOf, isFormTokenOf, isFromOurPage } from './guard.ts'
import { FormToken, page, type Reader } from './layout.tsx'
import { refusalText } from './refusal.ts'
import { Time } from './told.tsx'

/** Of those that are over; older ones are on the command line. */
const SHOWN_MAX = 50

export function grantsRoutes(deps: {
  grants: Grants
  publicUrl: URL | null
  readerOf(c: Context<ConsoleEnv>): Reader
}) {
  const { grants, publicUrl, readerOf } = deps
  const app = new Hono<ConsoleEnv>()

  async function show(c: Context<ConsoleEnv>, notice: Acted | null, status: 200 | 403 | 404 | 409 = 200) {
    const [standing, all] = await Promise.all([
      grants.list({ isStanding: true, limit: SHOWN_MAX }),
      grants.list({ isStanding: false, limit: SHOWN_MAX }),
    ])
    const { nowMs } = all
    const live = new Set(standing.grants.map(({ grant }) => grant.id))
    const over = all.grants.filter(({ grant }) => !live.has(grant.id))
    return c.html(grantsPage({ nowMs, standing: standing.grants, over, notice }, readerOf(c)), status)
  }

  app.get('/grants', (c) => show(c, null))

  app.post('/grants', async (c) => {
    const form = await formOf(c)
    const isOurs = isFromOurPage(c, publicUrl) && isFormTokenOf(c.get('token'), form?.get('token') ?? null)
    if (form === null || !isOurs) return show(c, bad('This did not come from our own page.'), 403)
    const id = parseApprovalId(form.get('grant') ?? '')
    const found = id.ok ? await grants.find(id.value) : null
    if (!id.ok || found === null) return show(c, bad('There is no such grant.'), 404)
    const ended = await grants.end({ id: id.value, person: c.get('person'), reason: null })
    if (ended.ok) {
      const { used, usesMax } = ended.value
      return show(c, {
        isGood: true,
        text: `Nothing begins under it any more. It covered ${used} of ${usesMax} calls.`,
      })
    }
    const { text } = refusalText(ended.error, found.seen.approval)
    return show(c, bad(text), ended.error.reason === 'unauthorised' ? 403 : 409)
  })
  return app
}

const bad = (text: string): Acted => ({ isGood: false, text })

function grantsPage(
  view: {
    nowMs: number
    standing: readonly SeenGrant[]
    over: readonly SeenGrant[]
    notice: Acted | null
  },
  reader: Reader,
) {
  const { nowMs, standing, over, notice } = view
  return page({
    title: 'Grants',
    root: '.',
    reader,
    current: 'grants',
    children: (
      <>
        <h1>Grants</h1>
        <p class="note">
          What approvers have allowed with a yes, beyond the call that they read. Each call under a grant has
          a ticket and an audit of its own.
        </p>
        <ActedNotice acted={notice} />
        {standing.length === 0 ? (
          <p class="note">No grant stands: every call is decided by itself.</p>
        ) : (
          <ul class="calls">
            {standing.map((seen) => (
              <Row seen={seen} nowMs={nowMs} reader={reader} />
            ))}
          </ul>
        )}
        {over.length > 0 && (
          <>
            <h2>Over</h2>
            <ul class="calls">
              {over.map((seen) => (
                <Row seen={seen} nowMs={nowMs} reader={reader} />
              ))}
            </ul>
          </>
        )}
      </>
    ),
  })
}

function Row({ seen, nowMs, reader }: { seen: SeenGrant; nowMs: number; reader: Reader }) {
  const { grant, approval, isOrphaned } = seen
  const { id, used, usesMax } = grant
  const state = grantState(grant, nowMs)
  const right = authorise(reader.person, 'reject', approval, nowMs)
  const mayEnd = state === 'stands' && (right.ok || right.error.reason === 'own_call')
  const text = grantText(approval, usesMax, '')
    .replace(/^also /, '')
    .replace(/, $/, '')
  return (
    <li class="account">
      <div class="name">
        <strong>{text}</strong>
        <span>
          {used} of {usesMax} used; until <Time atMs={grant.untilMs} />
          {state !== 'stands' && <>; {grantStateText(state, grant)}</>}
          {state === 'stands' && isOrphaned && (
            <>; who gave it may not decide any more, so it covers nothing</>
          )}
        </span>
        <span>
          given by {visible(grant.by)}, <Time atMs={grant.givenAtMs} />, with{' '}
          <a href={`./approvals/${id}`}>{id}</a> on {visible(grant.server)}
          {grant.reason !== null && <>: “{visible(grant.reason)}”</>}
        </span>
      </div>
      {mayEnd && (
        <form method="post" action="./grants">
          <FormToken token={reader.token} />
          <input type="hidden" name="grant" value={id} />
          <button type="submit">End it</button>
        </form>
      )}
    </li>
  )
}
