/** The forms of the console: what a person can fill in besides yes and no. */
import type { Approval } from '../domain/approval.ts'
import { REASON_LENGTH_MAX } from '../domain/limits.ts'
import { FormToken, type Reader } from './layout.tsx'

export function Withdraw({ approval, reader }: { approval: Approval; reader: Reader }) {
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

export function Form(parts: { approval: Approval; reader: Reader; action?: string; children?: unknown }) {
  const { approval, reader, action = `./${approval.id}`, children } = parts
  return (
    <form method="post" action={action} class="act">
      <FormToken token={reader.token} />
      {children}
    </form>
  )
}

/** Several lines, so that Enter in it is a new line and not a decision. */
export function Reason({ id, label }: { id: string; label: string }) {
  return (
    <p class="reason">
      <label for={id}>
        {label} <span class="note">optional</span>
      </label>
      <textarea id={id} name="reason" rows={2} maxlength={REASON_LENGTH_MAX} autocomplete="off"></textarea>
    </p>
  )
}
