/**
 * The Slack app: which action, command and submission leads where. Each is answered only after it was dealt with, so
 * that an error reaches the person who clicked; explanations follow as messages that only they see.
 */
import { App, type Receiver, type RespondFn, type webApi } from '@slack/bolt'
import type { Log } from '../../ports/log.ts'
import type { Clicks } from './clicks.ts'
import { clientOptions, quietLogger, type SlackAccess } from './client.ts'
import { GRANT } from './grant-dialog.ts'
import type { Grantings } from './granting.ts'
import {
  parseCardClick,
  parseExplanation,
  parseGrantSubmission,
  parsePageClick,
  parseSubmission,
  parseTyped,
} from './payloads.ts'
import { REASON, reasonDialog, reasonErrors } from './reason.ts'
import { GRANT_REVIEWED, PAGE_BACK, PAGE_ON, REVIEW, type Review } from './review.ts'
import type { SlashCommand } from './slash-command.ts'
import { escaped } from './text.ts'
import { foreignText } from './words.ts'

export function createSlackApp(deps: {
  access: SlackAccess
  client: webApi.WebClient
  clicks: Clicks
  review: Review
  granting: Grantings
  slashCommand: SlashCommand
  log: Log
}): App {
  const { access, client, clicks, review, granting, slashCommand, log } = deps
  const app = new App({
    receiver: noReceiver,
    // With `token` instead Bolt would ask Slack at once, and a Slack that is away would end the process.
    authorize: async () => ({ botToken: access.botToken }),
    clientOptions: clientOptions(access.apiUrl, log),
    logger: quietLogger(log),
    convoStore: false,
    ignoreSelf: false,
  })

  for (const answer of ['approve', 'reject'] as const) {
    app.action(answer, async ({ ack, body, respond }) => {
      const click = parseCardClick(body)
      const decided = click === null ? null : await clicks.decide(click, answer, answer, null)
      await ack()
      if (click === null || decided === null) return tell(respond, foreignText)
      if (!decided.ok) return tell(respond, decided.error)
      if (decided.value.kind === 'decided') return tell(respond, decided.value.words)
      const { person, reading } = decided.value
      const asked = { place: click.place, value: click.value, answer }
      const view = reasonDialog(reading.approval, person, reading.nowMs, asked)
      await attempt('a question for a reason could not be opened', respond, () =>
        client.views.open({ trigger_id: triggerOf(body), view }),
      )
    })
  }

  app.view(REASON, async ({ ack, body }) => {
    const explanation = parseExplanation(body)
    const told = (words: string) => ack({ response_action: 'update', view: review.told(words) })
    if (explanation === null) return told(foreignText)
    const { account, asked, reason } = explanation
    const { answer, ...shown } = asked
    const decided = await clicks.decide({ account, ...shown }, answer, answer, reason)
    if (!decided.ok) return told(decided.error)
    if (decided.value.kind !== 'decided') {
      return ack({ response_action: 'errors', errors: reasonErrors(decided.value.words) })
    }
    return decided.value.words === null ? ack() : told(decided.value.words)
  })

  app.action('ask-again', async ({ ack, body, respond }) => {
    const click = parseCardClick(body)
    const asked = click === null ? null : await clicks.askAgain(click)
    await ack()
    if (asked === null) return tell(respond, foreignText)
    tell(respond, asked.ok ? asked.value : asked.error)
  })

  app.action('take-back', async ({ ack, body, respond }) => {
    const click = parseCardClick(body)
    const taken = click === null ? null : await clicks.takeBack(click)
    await ack()
    if (taken === null) return tell(respond, foreignText)
    tell(respond, taken.ok ? taken.value : taken.error)
  })

  app.action('end-grant', async ({ ack, body, respond }) => {
    const click = parseCardClick(body)
    const ended = click === null ? null : await clicks.endGrant(click)
    await ack()
    if (ended === null) return tell(respond, foreignText)
    tell(respond, ended.ok ? ended.value : ended.error)
  })

  for (const [action, opener, failure] of [
    ['review', review, 'a review could not be opened'],
    [GRANT, granting, 'the dialog of a grant could not be opened'],
  ] as const) {
    app.action(action, async ({ ack, body, respond }) => {
      const click = parseCardClick(body)
      const opened = click === null ? null : await opener.open(click)
      await ack()
      if (opened === null || !opened.ok) return tell(respond, opened === null ? foreignText : opened.error)
      await attempt(failure, respond, () =>
        client.views.open({ trigger_id: triggerOf(body), view: opened.value }),
      )
    })
  }

  // On top of the page, which stays as it is for whoever goes back.
  app.action(GRANT_REVIEWED, async ({ ack, body }) => {
    const click = parsePageClick(body)
    const opened = click === null ? null : await granting.openReviewed(click)
    await ack()
    if (opened === null) return
    const view = opened.ok ? opened.value : review.told(opened.error)
    await attempt('the dialog of a grant could not be opened', null, () =>
      client.views.push({ trigger_id: triggerOf(body), view }),
    )
  })

  app.view(GRANT, async ({ ack, body }) => {
    const submission = parseGrantSubmission(body)
    const done = submission === null ? { words: foreignText } : await granting.submit(submission)
    if ('errors' in done) return ack({ response_action: 'errors', errors: done.errors })
    return done.words === null
      ? ack({ response_action: 'clear' })
      : ack({ response_action: 'update', view: review.told(done.words) })
  })

  for (const action of [PAGE_BACK, PAGE_ON]) {
    app.action(action, async ({ ack, body }) => {
      const click = parsePageClick(body)
      const turned = click === null ? null : await review.turn(click)
      await ack()
      if (click === null || turned === null) return
      const view = turned.ok ? turned.value : review.told(turned.error)
      await attempt('a page could not be turned', null, () =>
        client.views.update({ view_id: click.view.id, hash: click.view.hash, view }),
      )
    })
  }

  app.view(REVIEW, async ({ ack, body }) => {
    const submission = parseSubmission(body)
    const view = submission === null ? review.told(foreignText) : await review.submit(submission)
    await ack(
      'errors' in view
        ? { response_action: 'errors', errors: view.errors }
        : { response_action: 'update', view },
    )
  })

  app.command(/^\/holdpoint/, async ({ ack, body }) => {
    const typed = parseTyped(body)
    await ack({ response_type: 'ephemeral', text: typed === null ? foreignText : await slashCommand(typed) })
  })

  // Bolt answers nothing that nobody listens to, and Slack would show an error after three seconds.
  const known = new Set([
    ...['approve', 'reject', 'take-back', 'ask-again', 'review', PAGE_BACK, PAGE_ON],
    ...[GRANT, GRANT_REVIEWED, 'end-grant'],
  ])
  app.action(/.*/, async ({ ack, action }) => {
    if (!('action_id' in action) || !known.has(action.action_id)) await ack()
  })

  app.error(async (error) => {
    log.warn({ err: error }, 'something done in Slack could not be dealt with')
    // Thrown on, so that no acknowledgement is sent and the person sees that it did not work.
    throw error
  })
  return app

  /** In the background: the person has their answer in the card already, or sees it a moment later. */
  function tell(respond: RespondFn, words: string | null): void {
    if (words === null) return
    const message = {
      response_type: 'ephemeral',
      replace_original: false,
      text: escaped(words),
      ...literally,
    } as const
    // A payload without an address to answer to makes `respond` throw at once.
    Promise.resolve()
      .then(() => respond(message))
      .catch((error: unknown) => log.warn({ err: error }, 'an explanation did not reach the person in Slack'))
  }

  async function attempt(
    what: string,
    respond: RespondFn | null,
    act: () => Promise<unknown>,
  ): Promise<void> {
    try {
      await act()
    } catch (error) {
      log.warn({ err: error }, what)
      if (respond !== null) tell(respond, 'Slack did not take it. Try again in a moment.')
    }
  }
}

/** Slack takes it for three seconds after the click. */
const triggerOf = (body: object) =>
  'trigger_id' in body && typeof body.trigger_id === 'string' ? body.trigger_id : ''

const literally = { parse: 'none', mrkdwn: false } as const

/** Payloads come in by `processEvent`, from HTTP or a socket or both. */
const noReceiver: Receiver = {
  init() {},
  async start() {},
  async stop() {},
}
