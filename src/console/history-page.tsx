/** What is over, newest first. Calls whose end nobody knows stand out until somebody has looked. */
import type { Outcome, Settled } from '../domain/approval.ts'
import { authorise } from '../domain/authority.ts'
import { outcomeText, riskWords } from '../domain/present.ts'
import { visible } from '../domain/visible.ts'
import { Annotate } from './forms.tsx'
import { page, type Reader } from './layout.tsx'
import { type Show, shows } from './settled.ts'
import { RiskMark, Time } from './told.tsx'

const words: Readonly<Record<Outcome['kind'], string>> = {
  answered: 'Ran',
  rejected: 'Denied',
  expired: 'Expired',
  lapsed: 'Lapsed',
  cancelled: 'Withdrawn',
  invalidated: 'No longer valid',
  not_sent: 'Not sent',
  indeterminate: 'Unknown end',
}

export interface HistoryView {
  readonly show: Show
  readonly settled: readonly Settled[]
  /** Where the next page begins; `null`: there is none. */
  readonly next: string | null
  readonly isFirst: boolean
}

export function historyPage(view: HistoryView, reader: Reader) {
  const { show, settled, next, isFirst } = view
  return page({
    title: show === 'all' ? 'History' : `History: ${shows[show]}`,
    root: '.',
    reader,
    current: 'history',
    children: (
      <>
        <h1>History</h1>
        <nav class="tabs filter" aria-label="Which">
          {Object.entries(shows).map(([name, text]) => (
            <a
              href={name === 'all' ? './history' : `./history?show=${name}`}
              {...(name === show ? { 'aria-current': 'true' } : {})}
            >
              {text}
            </a>
          ))}
        </nav>
        {settled.length === 0 ? (
          <div class="empty">
            <p>{isFirst ? 'Nothing here yet.' : 'Nothing more.'}</p>
          </div>
        ) : (
          <ul class="calls">
            {settled.map((approval) => (
              <PastCall approval={approval} reader={reader} />
            ))}
          </ul>
        )}
        <p class="pages">
          {!isFirst && <a href={`./history?show=${show}`}>Newest</a>}
          {next !== null && <a href={`./history?show=${show}&after=${next}`}>Older</a>}
        </p>
      </>
    ),
  })
}

function PastCall({ approval, reader }: { approval: Settled; reader: Reader }) {
  const { asked, asking, id, outcome, settledAtMs } = approval
  const isOpen = outcome.kind === 'indeterminate' && outcome.annotations.length === 0
  const mayAnnotate = isOpen && authorise(reader.person, 'approve', approval, settledAtMs).ok
  return (
    <li id={`call-${id}`} class={isOpen ? 'unknown' : ''}>
      <a class="call" href={`./approvals/${id}`}>
        <RiskMark level={asking.risk} word={riskWords[asking.risk]} />
        <span class="main" translate="no">
          <strong>{visible(asked.tool)}</strong>
          <span class="where">
            on <b>{visible(asked.server)}</b>, asked by <b>{visible(asked.requester.name)}</b>
          </span>
          <span class="title">{outcomeText(outcome)}</span>
        </span>
        <span class="facts">
          <span class="left">{isOpen ? `${words[outcome.kind]}: needs a look` : words[outcome.kind]}</span>
          <span class="note">
            <Time atMs={settledAtMs} />
          </span>
        </span>
      </a>
      {mayAnnotate && (
        <details class="more">
          <summary>Say what happened</summary>
          <Annotate approval={approval} reader={reader} action={`./approvals/${id}`} />
        </details>
      )}
    </li>
  )
}
