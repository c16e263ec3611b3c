/** What the rule had read from the server, for whoever decides or finds out. Text of the upstream: shown, never trusted. */
import type { Presented } from '../domain/present.ts'
import { Told } from './told.tsx'

export function LookupsSection({ lookups }: Pick<Presented, 'lookups'>) {
  return (
    <section class="evidence" aria-labelledby="lookups">
      <h2 id="lookups">What the server says</h2>
      <p class="note">
        Read for you by the rule. It is no part of what is approved, and the server may say anything.
      </p>
      {lookups.map(({ label, about, lines, note }, index) => (
        <>
          <h3 id={`lookup-${index}`} translate="no">
            {label}
          </h3>
          <p class="note">
            <Told text={about} />
          </p>
          {lines.length > 0 && (
            <section class="code" tabindex={0} aria-labelledby={`lookup-${index}`}>
              <pre translate="no" lang="">
                <span class="plain">{lines.join('\n')}</span>
              </pre>
            </section>
          )}
          {note !== null && <p class="note">{note}</p>}
        </>
      ))}
    </section>
  )
}
