/** What waits for a decision, live; below it what was decided and is not over. The most urgent and the newest come first. */
import type { Approval, InstantMs, Pending } from '../domain/approval.ts'
import { decisionText, riskWords, spanText, yesOf } from '../domain/present.ts'
import type { Person } from '../domain/principal.ts'
import { progressOf } from '../domain/quorum.ts'
import { visible } from '../domain/visible.ts'
import { page, type Reader } from './layout.tsx'
import { SetUpItems } from './set-up-page.tsx'
import { RiskMark } from './told.tsx'
import { ChangedItems } from './tools-page.tsx'

/** What has less time left than this comes first and says so. */
const URGENT_MS = 15 * 60_000

export interface QueueView {
  readonly nowMs: InstantMs
  /** Newest first. */
  readonly unsettled: readonly Approval[]
  /** There are more than are shown. */
  readonly isCut: boolean
  /** Servers that nobody has accepted a policy for. */
  readonly toSetUp: readonly string[]
  /** Servers with tools that changed or appeared. */
  readonly changed: readonly { readonly server: string; readonly tools: number }[]
}

export const queueTitle = ({ unsettled, toSetUp, changed }: QueueView) => {
  const count =
    unsettled.filter(({ status }) => status === 'pending').length + toSetUp.length + changed.length
  return count === 0 ? 'Nothing waits' : `(${count}) Waiting`
}

export const queuePage = (view: QueueView, reader: Reader) =>
  page({
    title: queueTitle(view),
    root: '.',
    reader,
    current: 'waiting',
    children: (
      <>
        {/* In a background tab too: the number in the title is what brings people back. */}
        <div id="live" hx-sse:connect="./live" hx-config='{"sse":{"pauseOnBackground":false}}' hidden></div>
        <Queue view={view} person={reader.person} />
      </>
    ),
  })

export function Queue({ view, person }: { view: QueueView; person: Person }) {
  const { nowMs, unsettled, isCut, toSetUp, changed } = view
  const hasChores = toSetUp.length + changed.length > 0
  const pending = unsettled.filter((one) => one.status === 'pending').toSorted(byUrgency(nowMs))
  const decided = unsettled.filter((one) => one.status !== 'pending')
  return (
    <div id="queue" hx-get="./" hx-trigger="changed from:#live, every 20s" hx-swap="outerMorph">
      <h1>Waiting for a decision</h1>
      <SetUpItems servers={toSetUp} />
      <ChangedItems changed={changed} />
      <p class="count" role="status">
        {pending.length === 0
          ? hasChores
            ? 'No call waits.'
            : 'Nothing waits.'
          : `${pending.length} ${pending.length === 1 ? 'call waits' : 'calls wait'}.`}
        {isCut && ' There are more; the newest are shown.'}
      </p>
      {pending.length === 0 && hasChores ? null : pending.length === 0 ? (
        <div class="empty">
          <svg viewBox="0 0 48 48" width="56" height="56" aria-hidden="true">
            <circle cx="24" cy="24" r="20" fill="none" stroke="currentColor" stroke-width="2" />
            <path d="M15 25l6.5 6.5L34 18" fill="none" stroke="currentColor" stroke-width="2.5" />
          </svg>
          <p>All quiet. A call that needs a person appears here by itself.</p>
        </div>
      ) : (
        <ul class="calls">
          {pending.map((approval) => (
            <PendingCall approval={approval} nowMs={nowMs} person={person} />
          ))}
        </ul>
      )}
      {decided.length > 0 && (
        <section aria-labelledby="under-way">
          <h2 id="under-way" class="under-way">
            Decided, not over
          </h2>
          <ul class="calls">
            {decided.map((approval) => (
              <DecidedCall approval={approval} />
            ))}
          </ul>
        </section>
      )}
    </div>
  )
}

function PendingCall(parts: { approval: Pending; nowMs: InstantMs; person: Person }) {
  const { approval, nowMs, person } = parts
  const leftMs = approval.expiresAtMs - nowMs
  const progress = progressOf(approval.asking.stages, approval.votes)
  return (
    <li id={`call-${approval.id}`}>
      <Call approval={approval}>
        <span class={leftMs < URGENT_MS ? 'left urgent' : 'left'}>
          {leftMs > 0 ? `${spanText(leftMs)} left` : 'time is over'}
          {leftMs > 0 && leftMs < URGENT_MS && ' · soon'}
        </span>
        <span class="note">asked {spanText(nowMs - approval.createdAtMs)} ago</span>
        {progress !== null && (
          <span class="note">
            {progress.stages > 1 && `stage ${progress.stage + 1} of ${progress.stages}: `}
            {progress.said.length} of {progress.wanted} approved
          </span>
        )}
        <span class="note">{yours(approval, person, nowMs)}</span>
      </Call>
    </li>
  )
}

function DecidedCall({ approval }: { approval: Exclude<Approval, { status: 'pending' }> }) {
  const text =
    approval.status === 'executing'
      ? 'being sent now'
      : approval.status === 'approved'
        ? decisionText(approval.decision)
        : 'over'
  return (
    <li id={`call-${approval.id}`}>
      <Call approval={approval}>
        <span class="note">{text}</span>
      </Call>
    </li>
  )
}

function Call({ approval, children }: { approval: Approval; children?: unknown }) {
  const { asked, asking, proposed, id } = approval
  return (
    <a class="call" href={`./approvals/${id}`}>
      <RiskMark level={asking.risk} word={riskWords[asking.risk]} />
      <span class="main" translate="no">
        <strong>{visible(asked.tool)}</strong>
        {proposed.toolTitle !== null && <span class="title">{visible(proposed.toolTitle)}</span>}
        <span class="where">
          on <b>{visible(asked.server)}</b>, asked by <b>{visible(asked.requester.name)}</b> for{' '}
          {visible(asked.requester.owner)}
        </span>
      </span>
      <span class="facts">{children}</span>
    </a>
  )
}

function yours(approval: Pending, person: Person, nowMs: InstantMs): string {
  const yes = yesOf(approval, person, nowMs)
  if (approval.votes.some(({ by }) => by === person.id)) return 'you said yes'
  if (yes.kind === 'offered') return yes.word === 'Confirm' ? 'yours to confirm' : 'yours to decide'
  return nowMs < approval.expiresAtMs ? 'others decide' : ''
}

/** First what runs out soon, soonest first; then the newest. */
const byUrgency = (nowMs: InstantMs) => (a: Pending, b: Pending) => {
  const isUrgent = (one: Pending) => one.expiresAtMs - nowMs < URGENT_MS
  if (isUrgent(a) !== isUrgent(b)) return isUrgent(a) ? -1 : 1
  return isUrgent(a) ? a.expiresAtMs - b.expiresAtMs : b.createdAtMs - a.createdAtMs
}
