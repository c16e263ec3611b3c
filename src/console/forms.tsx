/** The forms of the console: what a person can fill in besides yes and no. */
import type { Approval, InstantMs, Pending } from '../domain/approval.ts'
import { REASON_LENGTH_MAX } from '../domain/limits.ts'
import { editableJson, jsonMembers } from '../domain/visible.ts'
import { FormToken, type Reader } from './layout.tsx'
import { Time } from './told.tsx'

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

/** One's own yes, while others are missing. */
export function TakeBack({ approval, reader }: { approval: Approval; reader: Reader }) {
  return (
    <Form reader={reader} approval={approval}>
      <p class="note">
        You have said yes. It does not decide alone; until the others are there you can take it back.
      </p>
      <div class="buttons">
        <button type="submit" name="act" value="take-back" id="take-back">
          Take my yes back
        </button>
      </div>
    </Form>
  )
}

/** Longer arguments are edited in an editor, not in a box of a page: the command line takes a file. */
const EDITABLE_LENGTH_MAX = 16 * 1024

/** @param draft what the person has typed already and what was refused */
export function EditArguments(parts: { approval: Pending; reader: Reader; draft: string | null }) {
  const { approval, reader, draft } = parts
  const { id, proposed } = approval
  const [, text = '{}'] = jsonMembers(proposed.canonicalParams).flatMap(({ name, text }) =>
    name === 'arguments' ? [name, text] : [],
  )
  if (text.length > EDITABLE_LENGTH_MAX) {
    return (
      <p class="note">
        Its arguments are too long to be changed here; <code>npx holdpoint approvals edit {id}</code> takes a
        file.
      </p>
    )
  }
  const shown = draft ?? editableJson(text)
  return (
    <details class="more" open={draft !== null}>
      <summary>Change the arguments</summary>
      <Form reader={reader} approval={approval}>
        <p class="note">
          Everybody then decides about these, with a new digest; the agent is told what ran instead of what it
          asked for.
        </p>
        <input type="hidden" name="digest" value={proposed.digest} autocomplete="off" />
        <p class="reason">
          <label for="arguments">Arguments (JSON)</label>
          <textarea
            id="arguments"
            class="json"
            name="arguments"
            rows={Math.min(24, shown.split('\n').length + 1)}
            spellcheck={false}
            autocomplete="off"
            translate="no"
            required
          >
            {shown}
          </textarea>
        </p>
        <Reason id="edit-reason" label="Reason" />
        <div class="buttons">
          <button type="submit" name="act" value="edit">
            Propose these
          </button>
        </div>
      </Form>
    </details>
  )
}

const HOUR_MS = 60 * 60_000
const extensions: readonly (readonly [byMs: number, text: string])[] = [
  [HOUR_MS, '1 hour later'],
  [4 * HOUR_MS, '4 hours later'],
  [24 * HOUR_MS, 'a day later'],
  [72 * HOUR_MS, 'three days later'],
]

/** @param latestMs beyond it no deadline can be moved */
export function Extend(parts: { approval: Pending; reader: Reader; latestMs: InstantMs }) {
  const { approval, reader, latestMs } = parts
  const possible = extensions
    .map(([byMs, text]) => ({ atMs: approval.expiresAtMs + byMs, text }))
    .filter(({ atMs }) => atMs <= latestMs)
  if (possible.length === 0) return null
  return (
    <details class="more">
      <summary>Give it more time</summary>
      <Form reader={reader} approval={approval}>
        <fieldset>
          <legend>The decision can wait until</legend>
          {possible.map(({ atMs, text }, at) => (
            <label class="choice">
              <input type="radio" name="until" value={String(atMs)} required checked={at === 0} /> {text},{' '}
              <Time atMs={atMs} />
            </label>
          ))}
        </fieldset>
        <Reason id="extend-reason" label="Reason" />
        <div class="buttons">
          <button type="submit" name="act" value="extend">
            Move the deadline
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

/** Of a call whose end nobody knows: people are asked anew; it does not run by itself. */
export function AskAgain({ approval, reader }: { approval: Approval; reader: Reader }) {
  return (
    <details class="more">
      <summary>Ask again</summary>
      <Form reader={reader} approval={approval}>
        <p class="note">
          A new ticket for the same call, with a decision of its own. Look at the server first: if it did
          happen, a yes would do it twice.
        </p>
        <Reason id="again-reason" label="Reason" />
        <div class="buttons">
          <button type="submit" name="act" value="ask-again">
            Ask again
          </button>
        </div>
      </Form>
    </details>
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
export function Reason(parts: { id: string; label: string; isRequired?: boolean }) {
  const { id, label, isRequired = false } = parts
  return (
    <p class="reason">
      <label for={id}>
        {label} <span class="note">{isRequired ? 'required by the rule' : 'optional'}</span>
      </label>
      <textarea
        id={id}
        name="reason"
        rows={2}
        maxlength={REASON_LENGTH_MAX}
        autocomplete="off"
        required={isRequired}
      ></textarea>
    </p>
  )
}
