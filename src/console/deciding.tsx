/** What this person may do with this approval now, and the forms for it. Whoever may not is told why. */
import type { Approval, InstantMs } from '../domain/approval.ts'
import { authorise, authoriseEdit } from '../domain/authority.ts'
import { shortDigest } from '../domain/canonical.ts'
import { type Yes as OfferedYes, type Presented, yesOf } from '../domain/present.ts'
import { visible } from '../domain/visible.ts'
import { Annotate, AskAgain, EditArguments, Extend, Form, Reason, TakeBack, Withdraw } from './forms.tsx'
import { GrantFields } from './grant-form.tsx'
import type { Reader } from './layout.tsx'
import { Told } from './told.tsx'

interface DecidingParts {
  readonly approval: Approval
  readonly reader: Reader
  readonly nowMs: InstantMs
  readonly digest: Presented['digest']
  /** The digest of the record is that of what the record shows. */
  readonly isDigestRight: boolean
  readonly isInFull: boolean
  readonly isChanged: boolean
  /** Arguments that the person has typed and that were refused. */
  readonly draft: string | null
  /** The latest time to which the deadline can be moved. */
  readonly latestMs: InstantMs
  readonly fields: Presented['fields']
}

export function Deciding(parts: DecidingParts) {
  const { approval, digest, fields } = parts
  return (
    <aside id="decide" aria-labelledby="deciding" tabindex={-1}>
      <h2 id="deciding">{approval.status === 'pending' ? 'Decision' : 'Now'}</h2>
      <dl class="fields">
        {fields.map(({ label, text }) => (
          <div>
            <dt>{label}</dt>
            <dd>
              <Told text={text} />
            </dd>
          </div>
        ))}
        <div>
          <dt>Digest</dt>
          <dd class="digest" translate="no">
            <strong>{digest.short}</strong>
            <code>{digest.full}</code>
          </dd>
        </div>
      </dl>
      <Acts {...parts} />
    </aside>
  )
}

function Acts(parts: DecidingParts) {
  const { approval, reader, nowMs, isChanged } = parts
  const { asking, id } = approval
  const { person } = reader
  const mayReject = authorise(person, 'reject', approval, nowMs)
  const mayWithdraw = mayReject.ok || mayReject.error.reason === 'own_call'
  switch (approval.status) {
    case 'pending': {
      // Buttons that change their meaning under somebody's finger are worse than none.
      if (isChanged) {
        return (
          <p>
            <a class="button" href={`./${id}`}>
              Read it again
            </a>
          </p>
        )
      }
      const yes = yesHere(parts)
      const isInTime = nowMs < approval.expiresAtMs
      const hasSaidYes = approval.votes.some(({ by }) => by === person.id)
      return (
        <>
          {hasSaidYes && isInTime && <TakeBack approval={approval} reader={reader} />}
          {yes.kind === 'withheld' && !hasSaidYes && (
            <p class="withheld">
              <strong>You cannot approve this.</strong> {yes.because}
            </p>
          )}
          {mayReject.ok && isInTime && (
            <Form reader={reader} approval={approval}>
              <input type="hidden" name="digest" value={approval.proposed.digest} autocomplete="off" />
              <Reason id="reason" label="Reason" isRequired={asking.reasonRequired} />
              <div class="buttons">
                {yes.kind === 'offered' && <Yes word={yes.word} approval={approval} />}
                <button type="submit" name="act" value="reject" id="no">
                  Deny
                </button>
              </div>
              {yes.kind === 'offered' && yes.word === 'Approve' && (
                <GrantFields approval={approval} person={person} nowMs={nowMs} />
              )}
              {yes.kind === 'offered' && yes.word === 'Confirm' && (
                <p class="note">
                  Your own agent asks. You confirm it as its owner, which is weaker than an approval and is
                  recorded as such.
                </p>
              )}
            </Form>
          )}
          {authoriseEdit(person, approval, nowMs).ok && isInTime && (
            <EditArguments approval={approval} reader={reader} draft={parts.draft} />
          )}
          {mayWithdraw && isInTime && (
            <Extend approval={approval} reader={reader} latestMs={parts.latestMs} />
          )}
          {mayWithdraw && isInTime && <Withdraw approval={approval} reader={reader} />}
        </>
      )
    }
    case 'approved':
      return mayWithdraw ? (
        <Withdraw approval={approval} reader={reader} />
      ) : (
        <p class="note">Others may withdraw it.</p>
      )
    case 'executing':
      return <p class="note">It is being sent; nobody can call back what may have arrived.</p>
    case 'settled': {
      const { outcome } = approval
      if (outcome.kind !== 'indeterminate') return <p class="note">It is over.</p>
      if (!authorise(person, 'approve', approval, nowMs).ok) {
        return <p class="note">An approver has to look whether it happened, and say so here.</p>
      }
      const mayAskAgain = outcome.successor === null && outcome.annotations.at(-1)?.finding !== 'happened'
      return (
        <>
          {outcome.successor !== null && (
            <p>
              <a class="button" href={`./${outcome.successor}`}>
                To {outcome.successor}
              </a>
            </p>
          )}
          <Annotate approval={approval} reader={reader} action={`./${id}`} />
          {mayAskAgain && <AskAgain approval={approval} reader={reader} />}
        </>
      )
    }
  }
}

/** A page offers a yes only to what it shows, all of it, and nothing else. */
function yesHere({ approval, reader, nowMs, isDigestRight, isInFull }: DecidingParts): OfferedYes {
  const yes = yesOf(approval, reader.person, nowMs)
  if (yes.kind === 'withheld') return yes
  if (!isDigestRight) {
    return {
      kind: 'withheld',
      because: 'The digest of this record is not the digest of what it shows. Tell whoever runs the gateway.',
    }
  }
  return isInFull ? yes : { kind: 'withheld', because: 'It is too large to be shown here in full.' }
}

/** Where the risk is critical a yes takes two steps, so that no stray tap says it. A no is always one. */
function Yes({ word, approval }: { word: string; approval: Approval }) {
  const { asked, asking, proposed } = approval
  const button = (id: string, text: string) => (
    <button type="submit" name="act" value="approve" id={id} class="yes primary">
      {text}
    </button>
  )
  if (asking.risk !== 'critical') return button('yes', word)
  return (
    <details class="sure">
      <summary class="button yes" id="yes">
        {word}…
      </summary>
      <div>
        <p>
          Let <b translate="no">{visible(asked.tool)}</b> run on <b translate="no">{visible(asked.server)}</b>
          , exactly as shown, digest <span class="ticket">{shortDigest(proposed.digest)}</span>?
        </p>
        {button('yes-sure', `${word} this critical call`)}
      </div>
    </details>
  )
}
