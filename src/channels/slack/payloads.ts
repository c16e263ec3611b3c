/** Slack's signed payloads, parsed once: what a person did, in our words. Whatever is missing makes it `null`. */
import { z } from 'zod'
import type { Account } from './accounts.ts'
import { type Place, parseReviewed, type Reviewed } from './place.ts'

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
const submission = actor.extend({ view })
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
  return parsed.success && view !== null ? { account: accountOf(parsed.data), view } : null
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

function viewOf({ view, api_app_id: app }: z.infer<typeof submission>): PageClick['view'] | null {
  const { id, hash, private_metadata: at } = view
  return at === null ? null : { id, hash, at, app }
}
