/** Evidence about a call whose end nobody knows, and what the upstream said after all, for whoever has to find out. */

import type { Presented } from '../domain/present.ts'
import { isVisibleJsonWithin, visible, visibleJson } from '../domain/visible.ts'
import type { LateReplyText } from '../ports/ledger.ts'
import { Time, Told } from './told.tsx'

/** An answer is looked at here, not studied: the command line shows all of it. */
const SHOWN_LENGTH_MAX = 16 * 1024

export function EvidenceSection(parts: {
  ticket: string
  evidence: Presented['evidence']
  /** Empty for whoever may not read answers. */
  lateReplies: readonly LateReplyText[]
}) {
  const { ticket, evidence, lateReplies } = parts
  return (
    <section class="evidence" aria-labelledby="evidence">
      <h2 id="evidence">Evidence</h2>
      <p class="note">
        What is known. It does not say what happened: somebody has to look at the server itself.
      </p>
      <dl class="fields">
        {evidence.map(({ label, text }) => (
          <div>
            <dt>{label}</dt>
            <dd>
              <Told text={text} />
            </dd>
          </div>
        ))}
      </dl>
      {lateReplies.map(({ atMs, text }) => (
        <details class="late">
          <summary>
            What came at <Time atMs={atMs} />
          </summary>
          <section class="code" tabindex={0} aria-label="What came later">
            <pre translate="no" lang="">
              <span class="plain">{shownText(text)}</span>
            </pre>
          </section>
          {text.length > SHOWN_LENGTH_MAX && (
            <p class="note">
              Only the beginning; <code>npx holdpoint approvals show {ticket} --reply</code> shows all of it.
            </p>
          )}
        </details>
      ))}
    </section>
  )
}

const shownText = (text: string) =>
  text.length <= SHOWN_LENGTH_MAX && isVisibleJsonWithin(text, 4 * SHOWN_LENGTH_MAX)
    ? visibleJson(text).join('\n')
    : visible(text.slice(0, SHOWN_LENGTH_MAX))
