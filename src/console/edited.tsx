/** What people made of a call: each place with what the agent had asked for and what is proposed now. */
import type { ShownEdit } from '../domain/edited-text.ts'
import { Told } from './told.tsx'

export function Edited({ edit }: { edit: ShownEdit }) {
  return (
    <section class="edited" aria-labelledby="edited">
      <h2 id="edited">Edited</h2>
      <p>
        <Told text={edit.text} />
      </p>
      {edit.changes.length > 0 && (
        <dl class="changes" translate="no" lang="">
          {edit.changes.map(({ pointer, asked, proposed }) => (
            <div>
              <dt>{pointer}</dt>
              <dd class="asked">
                <span class="note">asked</span> <Value text={asked} />
              </dd>
              <dd class="proposed">
                <span class="note">proposed</span> <Value text={proposed} />
              </dd>
            </div>
          ))}
        </dl>
      )}
      {edit.isCut && <p class="note">There are more differences; all of what is proposed stands below.</p>}
    </section>
  )
}

const Value = ({ text }: { text: string | null }) =>
  text === null ? <span class="note">nothing</span> : <code dir="ltr">{text}</code>
