/** What would be sent, line by line and in full. Text of agents: nothing of it is cut, folded, or translated by the browser. */
import type { Approval } from '../domain/approval.ts'
import type { Presented } from '../domain/present.ts'

export function Sections({ sections }: Pick<Presented, 'sections'>) {
  if (sections.length === 0) return <p class="note">It is called without arguments.</p>
  return (
    <>
      {sections.map(({ label, bytes, lines }, index) => (
        <section aria-labelledby={`section-${index}`}>
          <div class="section-head">
            <h2 id={`section-${index}`} translate="no">
              {label}
            </h2>
            <span class="note">
              {lines.length.toLocaleString('en')} {lines.length === 1 ? 'line' : 'lines'},{' '}
              {bytes.toLocaleString('en')} bytes, in full
            </span>
          </div>
          {/* What scrolls must be reachable by the keyboard. */}
          <section class="code" tabindex={0} aria-labelledby={`section-${index}`}>
            <pre translate="no" lang="">
              <Lines lines={lines} />
            </pre>
          </section>
        </section>
      ))}
    </>
  )
}

/** Beyond this, numbers and breaks help nobody and cost much. */
const LINES_MAX = 2_000

function Lines({ lines }: { lines: readonly string[] }) {
  const text = lines.join('\n')
  if (lines.length > LINES_MAX || text.split('\\n').length > LINES_MAX)
    return <span class="plain">{text}</span>
  return (
    <>
      {lines.map((line) => (
        <span class="line" dir="ltr">
          <Line text={line} />
          {'\n'}
        </span>
      ))}
    </>
  )
}

export function TooLarge({ approval: { id, proposed } }: { approval: Approval }) {
  return (
    <section class="notice" aria-labelledby="too-large">
      <h2 id="too-large">Too large to be shown here</h2>
      <p>
        It would send {Buffer.byteLength(proposed.canonicalParams).toLocaleString('en')} bytes.{' '}
        <a href={`./${id}/params`} download={`${id}.json`}>
          Save them as a file
        </a>
        . Where it is not shown in full it cannot be approved;{' '}
        <code>npx holdpoint approvals approve {id}</code> shows all of it.
      </p>
    </section>
  )
}

/**
 * After the mark of a line break inside a string the eye gets a new line too. Several in a row get one, so that text cannot
 * push what follows it out of sight.
 */
function Line({ text }: { text: string }) {
  const parts = text.split(/(\\.)/u)
  return (
    <>
      {parts.map((part, at) => {
        if (part !== '\\n') return part
        const isLastOfRun = parts[at + 1] !== '' || parts[at + 2] !== '\\n'
        return <span class={isLastOfRun ? 'break last' : 'break'}>{part}</span>
      })}
    </>
  )
}
