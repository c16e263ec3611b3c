/** What would be sent, line by line and in full. Text of agents: nothing of it is cut, folded, or translated by the browser. */
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
              {lines.map((line) => (
                <span class="line" dir="ltr">
                  <Line text={line} />
                  {'\n'}
                </span>
              ))}
            </pre>
          </section>
        </section>
      ))}
    </>
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
