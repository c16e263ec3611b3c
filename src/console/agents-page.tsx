/** How the calls of the reader's own agents ended. What they have not seen yet stands out until they say that they have. */
import { isEdited } from '../domain/approval.ts'
import { outcomeText, riskWords } from '../domain/present.ts'
import { visible } from '../domain/visible.ts'
import type { OwnedOutcome } from '../ports/outcomes.ts'
import { FormToken, page, type Reader } from './layout.tsx'
import { RiskMark, Time } from './told.tsx'

export interface AgentsView {
  readonly outcomes: readonly OwnedOutcome[]
  /** Where the next page begins; `null`: there is none. */
  readonly next: string | null
  readonly isFirst: boolean
}

export function agentsPage({ outcomes, next, isFirst }: AgentsView, reader: Reader) {
  const unseen = outcomes.filter(({ isSeen }) => !isSeen)
  return page({
    title: reader.unseen === 0 ? 'Your agents' : `(${reader.unseen}) Your agents`,
    root: '.',
    reader,
    current: 'agents',
    children: (
      <>
        <h1>Your agents</h1>
        <p class="count" role="status">
          {unseen.length === 0
            ? 'You have seen how all of these ended.'
            : `You have not seen how ${unseen.length === 1 ? 'one of these' : `${unseen.length} of these`} ended.`}
        </p>
        {unseen.length > 0 && (
          <form method="post" action="./agents" class="seen">
            <FormToken token={reader.token} />
            {unseen.map(({ approval }) => (
              <input type="hidden" name="id" value={approval.id} autocomplete="off" />
            ))}
            <button type="submit">Mark them as seen</button>
          </form>
        )}
        {outcomes.length === 0 ? (
          <div class="empty">
            <p>{isFirst ? 'No call of an agent of yours has ended yet.' : 'Nothing more.'}</p>
          </div>
        ) : (
          <ul class="calls">
            {outcomes.map((outcome) => (
              <Ended {...outcome} />
            ))}
          </ul>
        )}
        <p class="pages">
          {!isFirst && <a href="./agents">Newest</a>}
          {next !== null && <a href={`./agents?after=${next}`}>Older</a>}
        </p>
      </>
    ),
  })
}

function Ended({ approval, isSeen }: OwnedOutcome) {
  const { asked, asking, id, outcome, settledAtMs } = approval
  const isOpen = outcome.kind === 'indeterminate' && outcome.annotations.length === 0
  return (
    <li id={`call-${id}`} class={isOpen ? 'unknown' : isSeen ? '' : 'unread'}>
      <a class="call" href={`./approvals/${id}`}>
        <RiskMark level={asking.risk} word={riskWords[asking.risk]} />
        <span class="main" translate="no">
          <strong>{visible(asked.tool)}</strong>
          <span class="where">
            on <b>{visible(asked.server)}</b>, asked by <b>{visible(asked.requester.name)}</b>
          </span>
          <span class="title">
            {outcomeText(outcome)}
            {isEdited(approval) && ' Its arguments had been changed.'}
          </span>
        </span>
        <span class="facts">
          {!isSeen && <span class="left">New</span>}
          <span class="note">
            <Time atMs={settledAtMs} />
          </span>
        </span>
      </a>
    </li>
  )
}
