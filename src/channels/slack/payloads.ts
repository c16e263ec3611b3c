/** Slack's signed payloads, parsed once: what a person did, in our words. Whatever is missing makes it `null`. */
import { z } from 'zod'
import type { Account } from './accounts.ts'
import { GRANT_SPAN, GRANT_USES } from './grant-dialog.ts'
import {
  type Explained,
  type Granting,
  type Place,
  parseExplained,
  parseGranting,
  parseReviewed,
  type Reviewed,
} from './place.ts'
import { REASON } from './reason.ts'

export interface CardClick {
  readonly account: Account
  /** The message that was clicked. */
  readonly place: Place
  readonly value: string
}

export interface PageClick {
  readonly account: Account
  readonly view: {
    readonly id: string
    readonly hash: string
    /** The page that was on the screen. */
    readonly at: Reviewed
    readonly app: string
  }
  readonly action: string
  readonly value: string
}

export interface Submission {
  readonly account: Account
  readonly view: PageClick['view']
  /** As it was typed, where the view asks for one. */
  readonly reason: string | null
}

/** The answer to the question for a reason. */
export interface Explanation {
  readonly account: Account
  readonly asked: Explained
  readonly reason: string
}

/** Of the dialog that allows more. A number that is none is `NaN`, which no rule allows. */
export interface GrantSubmission {
  readonly account: Account
  readonly granting: Granting
  readonly uses: number
  readonly durationMs: number
  readonly reason: string | null
}

export interface Typed {
  readonly account: Account
  readonly text: string
}

const id = z.string().min(1).max(64)
// A person of another company in a shared channel has the team of that company here.
const user = z.object({ id, team_id: id.optional() })
const actor = z.object({ user, team: z.object({ id }).nullish(), api_app_id: id })
const action = z.object({ action_id: id, value: z.string().max(2_000) })

const cardClick = actor.extend({
  container: z.object({ type: z.literal('message'), message_ts: id, channel_id: id }),
  actions: z.array(action).length(1),
})
const view = z.object({
  id,
  hash: z.string(),
  private_metadata: z.string().max(3_000).transform(parseReviewed),
})
const pageClick = actor.extend({ view, actions: z.array(action).length(1) })
const field = z.object({
  value: z.string().max(3_000).nullish(),
  selected_option: z.object({ value: z.string().max(75) }).nullish(),
})
const state = z.object({ values: z.record(z.string(), z.record(z.string(), field)) })
const submission = actor.extend({ view: view.extend({ state: state.optional() }) })
const explanation = actor.extend({
  view: z.object({ private_metadata: z.string().max(3_000).transform(parseExplained), state }),
})
const grantSubmission = actor.extend({
  view: z.object({ private_metadata: z.string().max(3_000).transform(parseGranting), state }),
})
/** In our views a field has the name of its block. */
function fieldOf(found: z.infer<typeof state> | undefined, name: string): string | null {
  const filled = found?.values[name]?.[name]
  return filled?.selected_option?.value ?? filled?.value ?? null
}
const reasonOf = (found: z.infer<typeof state> | undefined) => fieldOf(found, REASON)
const numberOf = (text: string | null) =>
  text !== null && /^\d{1,12}$/.test(text) ? Number(text) : Number.NaN
const typed = z.object({ user_id: id, team_id: id, text: z.string().max(1_000) })

export function parseCardClick(body: unknown): CardClick | null {
  const parsed = cardClick.safeParse(body)
  if (!parsed.success) return null
  const { container, actions, api_app_id: app } = parsed.data
  return {
    account: accountOf(parsed.data),
    place: { app, channel: container.channel_id, ts: container.message_ts },
    value: actions[0]?.value ?? '',
  }
}

export function parsePageClick(body: unknown): PageClick | null {
  const parsed = pageClick.safeParse(body)
  if (!parsed.success) return null
  const view = viewOf(parsed.data)
  const [action] = parsed.data.actions
  if (view === null || action === undefined) return null
  return { account: accountOf(parsed.data), view, action: action.action_id, value: action.value }
}

export function parseSubmission(body: unknown): Submission | null {
  const parsed = submission.safeParse(body)
  const view = parsed.success ? viewOf(parsed.data) : null
  if (!parsed.success || view === null) return null
  return { account: accountOf(parsed.data), view, reason: reasonOf(parsed.data.view.state) }
}

export function parseExplanation(body: unknown): Explanation | null {
  const parsed = explanation.safeParse(body)
  if (!parsed.success || parsed.data.view.private_metadata === null) return null
  const { private_metadata: asked, state: found } = parsed.data.view
  return { account: accountOf(parsed.data), asked, reason: reasonOf(found) ?? '' }
}

export function parseGrantSubmission(body: unknown): GrantSubmission | null {
  const parsed = grantSubmission.safeParse(body)
  if (!parsed.success || parsed.data.view.private_metadata === null) return null
  const { private_metadata: granting, state: found } = parsed.data.view
  return {
    account: accountOf(parsed.data),
    granting,
    uses: numberOf(fieldOf(found, GRANT_USES)),
    durationMs: numberOf(fieldOf(found, GRANT_SPAN)),
    reason: reasonOf(found),
  }
}

export function parseTyped(body: unknown): Typed | null {
  const parsed = typed.safeParse(body)
  if (!parsed.success) return null
  return { account: { team: parsed.data.team_id, user: parsed.data.user_id }, text: parsed.data.text }
}

const accountOf = ({ user, team }: z.infer<typeof actor>): Account => ({
  team: user.team_id ?? team?.id ?? '',
  user: user.id,
})

function viewOf({
  view,
  api_app_id: app,
}: z.infer<typeof pageClick> | z.infer<typeof submission>): PageClick['view'] | null {
  const { id, hash, private_metadata: at } = view
  return at === null ? null : { id, hash, at, app }
}
