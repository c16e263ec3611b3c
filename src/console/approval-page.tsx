/** One approval: everything that would be sent, in full, what a yes would do now, and what happened so far. */
import { type Approval, type InstantMs, recomputedDigest, successorOf } from '../domain/approval.ts'
import type { AuditEvent } from '../domain/audit.ts'
import { mayReadReply } from '../domain/authority.ts'
import { type Presented, present } from '../domain/present.ts'
import { isVisibleJsonWithin } from '../domain/visible.ts'
import type { LateReplyText } from '../ports/ledger.ts'
import { Sections, TooLarge } from './code.tsx'
import { Deciding } from './deciding.tsx'
import { Edited } from './edited.tsx'
import { EvidenceSection } from './evidence.tsx'
import { page, type Reader } from './layout.tsx'
import { LookupsSection } from './lookups.tsx'
import { Timeline } from './timeline.tsx'
import { instantMark, RiskMark, Told } from './told.tsx'

/**
 * What a page shows: more than anybody reads, and little enough that laying it out does not hold up the gateway, which an
 * agent could otherwise do to it (4 MiB took 14 s). What is larger is not approved here, because it is not shown here.
 */
const SHOWN_LENGTH_MAX = 256 * 1024
/** The same call with its indentation and marks: deep arrays could make fifteen megabytes of it. */
const LAID_OUT_LENGTH_MAX = 1024 * 1024

export interface ApprovalView {
  readonly approval: Approval
  readonly nowMs: InstantMs
  readonly isRequesterWaiting: boolean
  readonly startWithinMs: number
  /** The latest time to which its deadline can be moved. */
  readonly latestMs: InstantMs
  readonly trail: readonly AuditEvent[]
  /** What the upstream said after an unknown end. */
  readonly lateReplies: readonly LateReplyText[]
}

/** Something to say before everything else: what was refused, or that the page has changed under the reader. */
export interface Notice {
  readonly heading: string
  readonly text: string
}

export const approvalPage = (
  view: ApprovalView,
  reader: Reader,
  notice: Notice | null = null,
  /** Arguments that the person has typed and that were refused: nobody should have to type them again. */
  draft: string | null = null,
) =>
  page({
    title: `${view.approval.asked.tool.slice(0, 80)} ${view.approval.id}`,
    root: '..',
    reader,
    children: (
      <>
        <div id="live" hx-sse:connect={`../live?only=${view.approval.id}`} hidden></div>
        <ApprovalArticle view={view} reader={reader} notice={notice} isChanged={false} draft={draft} />
      </>
    ),
  })

/** Which state of it a page shows. What it does not cover (a deadline that comes nearer, a reminder) does not disturb the reader. */
export function stateMark({ approval, isRequesterWaiting, nowMs }: ApprovalView): string {
  const isLate = approval.status === 'pending' && nowMs >= approval.expiresAtMs
  const reminders = approval.nudges.filter(({ kind }) => kind === 'reminder').length
  return `${approval.version - reminders}${isRequesterWaiting ? 'w' : ''}${isLate ? 'l' : ''}`
}

export function ApprovalArticle(parts: {
  view: ApprovalView
  reader: Reader
  notice: Notice | null
  /** It is another version than the one the reader had on the screen. */
  isChanged: boolean
  draft?: string | null
}) {
  const { view, reader, notice, isChanged, draft = null } = parts
  const { approval, nowMs, isRequesterWaiting, startWithinMs } = view
  const { proposed } = approval
  const isInFull =
    proposed.canonicalParams.length <= SHOWN_LENGTH_MAX &&
    isVisibleJsonWithin(proposed.canonicalParams, LAID_OUT_LENGTH_MAX)
  const mayRead = mayReadReply(reader.person, approval, nowMs)
  const shown = present(approval, {
    nowMs,
    isRequesterWaiting,
    startWithinMs,
    when: instantMark,
    isWithoutSections: !isInFull,
    readsLookups: mayRead,
  })
  const isDigestRight = recomputedDigest(approval) === proposed.digest
  const isUnknown = approval.status === 'settled' && approval.outcome.kind === 'indeterminate'
  const looksAgain =
    approval.status !== 'settled' || isUnknown
      ? {
          'hx-get': `./${approval.id}?seen=${stateMark(view)}`,
          'hx-trigger': 'changed from:#live, every 20s',
          'hx-swap': 'outerMorph',
        }
      : {}
  return (
    <article id="approval" {...looksAgain}>
      {notice !== null && (
        <div class="notice" role="alert">
          <strong>{notice.heading}</strong>
          <p>
            <Told text={notice.text} />
          </p>
        </div>
      )}
      <header class="head">
        <p class="over">
          <RiskMark {...shown.risk} /> <span class="ticket">{shown.ticket}</span>
        </p>
        <h1 translate="no">{shown.title}</h1>
        <p class={isUnknown ? 'state unknown' : 'state'} role="status">
          <Told text={shown.state} />
        </p>
        <Neighbours approval={approval} />
        <a class="jump" href="#decide">
          To the decision
        </a>
      </header>
      <div class="columns">
        <div class="what">
          {shown.evidence.length > 0 && (
            <EvidenceSection
              ticket={approval.id}
              evidence={shown.evidence}
              lateReplies={mayRead ? view.lateReplies : []}
            />
          )}
          {shown.edit !== null && <Edited edit={shown.edit} />}
          {isInFull ? <Sections sections={shown.sections} /> : <TooLarge approval={approval} />}
          {shown.lookups.length > 0 && mayRead && <LookupsSection lookups={shown.lookups} />}
          <Fields fields={shown.fields} />
        </div>
        <Deciding
          approval={approval}
          reader={reader}
          nowMs={nowMs}
          digest={shown.digest}
          isDigestRight={isDigestRight}
          isInFull={isInFull}
          isChanged={isChanged}
          draft={draft}
          latestMs={view.latestMs}
          fields={shown.fields.filter(isAboutNow)}
        />
        <Timeline trail={view.trail} />
      </div>
    </article>
  )
}

/** The ticket that asked for this call before its rule changed, and the one that asks since. */
function Neighbours({ approval }: { approval: Approval }) {
  const { predecessor } = approval
  const successor = approval.status === 'settled' ? successorOf(approval) : null
  if (predecessor === null && successor === null) return null
  return (
    <p class="neighbours">
      {predecessor !== null && (
        <>
          Asked before as <a href={`./${predecessor.id}`}>{predecessor.id}</a>.{' '}
        </>
      )}
      {successor !== null && (
        <>
          Asked again as <a href={`./${successor}`}>{successor}</a>.
        </>
      )}
    </p>
  )
}

const isAboutNow = ({ label }: Presented['fields'][number]) => label === 'Decide by' || label === 'A yes now'

function Fields({ fields }: { fields: Presented['fields'] }) {
  return (
    <section aria-labelledby="who">
      <h2 id="who">Who asks, and why</h2>
      <dl class="fields">
        {fields
          // An edit has a section of its own.
          .filter((field) => !isAboutNow(field) && field.label !== 'Edited')
          .map(({ label, text }) => (
            <div>
              <dt>{label}</dt>
              <dd>
                <Told text={text} />
              </dd>
            </div>
          ))}
      </dl>
    </section>
  )
}
