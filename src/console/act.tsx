/** A posted act: approve or deny what was shown, withdraw, say what happened. Afterwards the page shows what is true then. */
import type { Context } from 'hono'
import type { Approval } from '../domain/approval.ts'
import type { ApprovalId } from '../domain/approval-id.ts'
import { REASON_LENGTH_MAX } from '../domain/limits.ts'
import type { Person } from '../domain/principal.ts'
import type { Result } from '../domain/result.ts'
import type { DecideRefusal, People } from '../services/decide.ts'
import { type ApprovalView, approvalPage } from './approval-page.tsx'
import { grantWishOf } from './grant-form.tsx'
import { type ConsoleEnv, formOf, isFormTokenOf, isFromOurPage } from './guard.ts'
import type { Reader } from './layout.tsx'
import { refusalText } from './refusal.ts'

type Done = Promise<Result<Approval, DecideRefusal>>

export function actRoute(deps: {
  people: People
  publicUrl: URL | null
  viewOf(ticket: string): Promise<ApprovalView | null>
  readerOf(c: Context<ConsoleEnv>): Reader
  missing(c: Context<ConsoleEnv>): Response | Promise<Response>
}) {
  const { people, publicUrl, viewOf, readerOf, missing } = deps

  return async function act(c: Context<ConsoleEnv, '/approvals/:id'>) {
    const ticket = c.req.param('id')
    const view = await viewOf(ticket)
    if (view === null) return missing(c)
    const form = await formOf(c)
    const refuse = (status: 400 | 403 | 404 | 409 | 410 | 422 | 503, now: ApprovalView, text: string) =>
      c.html(
        approvalPage(
          now,
          readerOf(c),
          { heading: 'Nothing was changed.', text },
          form?.get('arguments') ?? null,
        ),
        status,
      )
    if (!isFromOurPage(c, publicUrl) || !isFormTokenOf(c.get('token'), form?.get('token') ?? null)) {
      return refuse(403, view, 'This did not come from the page as you see it now. Try again.')
    }
    const done = form === null ? null : perform(people, view.approval.id, c.get('person'), form)
    if (done === null) return refuse(400, view, 'This form is not complete.')
    const result = await done
    // Where it was asked again, the new one is what comes next.
    if (result.ok) return c.redirect(`./${result.value.id}`, 303)
    const now = (await viewOf(ticket)) ?? view
    const { status, text } = refusalText(result.error, now.approval)
    return refuse(status, now, text)
  }
}

/** `null`: the form does not say what to do. */
function perform(people: People, id: ApprovalId, person: Person, form: URLSearchParams): Done | null {
  const written = (form.get('reason') ?? '').trim()
  if (written.length > REASON_LENGTH_MAX) return null
  const reason = written === '' ? null : written
  const answer = form.get('act')
  switch (answer) {
    case 'approve':
    case 'reject': {
      const digest = form.get('digest') ?? ''
      return people.decide({ id, person, answer, digest, reason, via: 'console' })
    }
    case 'approve-and-grant': {
      const grant = grantWishOf(form)
      const digest = form.get('digest') ?? ''
      if (grant === null) return null
      return people.decide({ id, person, answer: 'approve', digest, reason, via: 'console', grant })
    }
    case 'edit': {
      // Browsers send line breaks as CR LF.
      const argumentsText = (form.get('arguments') ?? '').replaceAll('\r\n', '\n')
      const digest = form.get('digest') ?? ''
      return people.edit({ id, person, argumentsText, digest, reason, via: 'console' })
    }
    case 'extend': {
      const expiresAtMs = Number(form.get('until') ?? '')
      if (!Number.isSafeInteger(expiresAtMs) || expiresAtMs <= 0) return null
      return people.extend({ id, person, expiresAtMs, reason, via: 'console' })
    }
    case 'ask-again':
      return people.askAgain({ id, person, reason, via: 'console' })
    case 'take-back':
      return people.takeBack({ id, person, reason, via: 'console' })
    case 'cancel':
      return people.cancel({ id, person, reason })
    case 'annotate': {
      const finding = form.get('finding')
      if (finding !== 'happened' && finding !== 'did_not_happen') return null
      return people.annotate({ id, person, finding, note: reason })
    }
    default:
      return null
  }
}
