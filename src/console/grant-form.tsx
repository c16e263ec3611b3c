/** Allowing more than the call that is read: what it would be in a sentence, how many and for how long, and a button of its own. */
import type { Approval, InstantMs } from '../domain/approval.ts'
import { type GrantWish, grantOffer, mayGrant } from '../domain/grant.ts'
import { grantSpansMs, grantText } from '../domain/grant-text.ts'
import { spanText } from '../domain/present.ts'
import type { Person } from '../domain/principal.ts'

/** Inside the form of the decision, whose digest and reason it goes with. Never open by itself. */
export function GrantFields(parts: { approval: Approval; person: Person; nowMs: InstantMs }) {
  const { approval, person, nowMs } = parts
  const offer = grantOffer(approval)
  if (offer === null || !mayGrant(person, approval, nowMs)) return null
  return (
    <details class="more grant">
      <summary>Approve, and allow more of such calls…</summary>
      <div>
        <p>
          Your yes to this call, {grantText(approval, null, 'as many and for as long as you say here')}.
          Nobody is asked about those; you can end it under Grants.
        </p>
        <p class="reason">
          <label for="grant-uses">How many more calls</label>
          <input
            id="grant-uses"
            type="number"
            name="grant_uses"
            min="1"
            max={String(offer.usesMax)}
            value="1"
            inputmode="numeric"
            autocomplete="off"
          />
        </p>
        <p class="reason">
          <label for="grant-for">For how long</label>
          <select id="grant-for" name="grant_ms" autocomplete="off">
            {grantSpansMs(offer).map((ms) => (
              <option value={String(ms)}>{spanText(ms)}</option>
            ))}
          </select>
        </p>
        <div class="buttons">
          <button type="submit" name="act" value="approve-and-grant" class="yes">
            Approve and allow these
          </button>
        </div>
      </div>
    </details>
  )
}

/** `null`: it is not said how much; what is too much is refused by the rule. */
export function grantWishOf(form: URLSearchParams): GrantWish | null {
  const uses = Number(form.get('grant_uses') ?? '')
  const durationMs = Number(form.get('grant_ms') ?? '')
  return Number.isSafeInteger(uses) && uses > 0 && Number.isSafeInteger(durationMs) && durationMs > 0
    ? { uses, durationMs }
    : null
}
