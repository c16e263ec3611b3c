/** What this person may do with this approval now, and the forms for it. Whoever may not is told why. */
import type { Approval, InstantMs } from '../domain/approval.ts'
import { authorise } from '../domain/authority.ts'
import { REASON_LENGTH_MAX } from '../domain/limits.ts'
import { type Presented, yesOf } from '../domain/present.ts'
import { FormToken, type Reader } from './layout.tsx'
import { Told } from './told.tsx'

interface DecidingParts {
  readonly approval: Approval
  readonly reader: Reader
  readonly nowMs: InstantMs
  readonly digest: Presented['digest']
  /** The digest of the record is that of what the record shows. */
  readonly isDigestRight: boolean
  readonly isChanged: boolean
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

function Acts({ approval, reader, nowMs, isDigestRight, isChanged }: DecidingParts) {
  const { asked, asking, id } = approval
  const { person } = reader
  const mayReject = authorise(person, 'reject', asked, asking)
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
      const yes: ReturnType<typeof yesOf> = isDigestRight
        ? yesOf(approval, person, nowMs)
        : {
            kind: 'withheld',
            because:
              'The digest of this record is not the digest of what it shows. Tell whoever runs the gateway.',
          }
      const isInTime = nowMs < approval.expiresAtMs
      return (
        <>
          {yes.kind === 'withheld' && (
            <p class="withheld">
              <strong>You cannot approve this.</strong> {yes.because}
            </p>
          )}
          {mayReject.ok && isInTime && (
            <Form reader={reader} approval={approval}>
              <input type="hidden" name="digest" value={approval.proposed.digest} autocomplete="off" />
              <Reason id="reason" label="Reason" />
              <div class="buttons">
                {yes.kind === 'offered' && (
                  <button
                    type="submit"
                    name="act"
                    value="approve"
                    id="yes"
                    class={asking.risk === 'critical' ? 'yes' : 'yes primary'}
                  >
                    {yes.word}
                  </button>
                )}
                <button type="submit" name="act" value="reject" id="no">
                  Deny
                </button>
              </div>
              {yes.kind === 'offered' && yes.word === 'Confirm' && (
                <p class="note">
                  Your own agent asks. You confirm it as its owner, which is weaker than an approval and is
                  recorded as such.
                </p>
              )}
            </Form>
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
      if (approval.outcome.kind !== 'indeterminate') return <p class="note">It is over.</p>
      return authorise(person, 'approve', asked, asking).ok ? (
        <Annotate approval={approval} reader={reader} action={`./${id}`} />
      ) : (
        <p class="note">An approver has to look whether it happened, and say so here.</p>
      )
    }
  }
}

function Withdraw({ approval, reader }: { approval: Approval; reader: Reader }) {
  return (
    <details class="more">
      <summary>Withdraw it</summary>
      <Form reader={reader} approval={approval}>
        <p class="note">Ends it without a decision. Nothing is sent; the agent may ask again.</p>
        <Reason id="withdraw-reason" label="Reason" />
        <div class="buttons">
          <button type="submit" name="act" value="cancel">
            Withdraw
          </button>
        </div>
      </Form>
    </details>
  )
}

export function Annotate(parts: { approval: Approval; reader: Reader; action: string }) {
  const { approval, reader, action } = parts
  const finding = (value: string, text: string) => (
    <label class="choice">
      <input type="radio" name="finding" value={value} required /> {text}
    </label>
  )
  return (
    <Form reader={reader} approval={approval} action={action}>
      <fieldset>
        <legend>Look at the server itself. What really happened?</legend>
        {finding('happened', 'It happened')}
        {finding('did_not_happen', 'It did not happen')}
      </fieldset>
      <Reason id={`note-${approval.id}`} label="Note" />
      <div class="buttons">
        <button type="submit" name="act" value="annotate">
          Say so
        </button>
      </div>
    </Form>
  )
}

function Form(parts: { approval: Approval; reader: Reader; action?: string; children?: unknown }) {
  const { approval, reader, action = `./${approval.id}`, children } = parts
  return (
    <form method="post" action={action} class="act">
      <FormToken token={reader.token} />
      {children}
    </form>
  )
}

/** Several lines, so that Enter in it is a new line and not a decision. */
function Reason({ id, label }: { id: string; label: string }) {
  return (
    <p class="reason">
      <label for={id}>
        {label} <span class="note">optional</span>
      </label>
      <textarea id={id} name="reason" rows={2} maxlength={REASON_LENGTH_MAX} autocomplete="off"></textarea>
    </p>
  )
}
