/**
 * What a button carries: which approval, which version, and a seal that binds it to the digest that was shown with it
 * and to what the button is for. Opaque to Slack; everything else stays here.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { type ApprovalId, parseApprovalId } from '../../domain/approval-id.ts'

/**
 * A page of a review is sealed only as it is drawn: its number, the digest of the layout it is a page of, and the account
 * that has it before them.
 */
export type Purpose =
  | 'approve'
  | 'reject'
  | 'review'
  | 'ask-again'
  | 'take-back'
  | 'grant'
  | 'end-grant'
  | `page ${number} ${string} ${string}`

export interface Sealed {
  readonly id: ApprovalId
  readonly version: number
  readonly mac: string
}

/** Of what `seal` makes. Slack allows 2,000; whatever is longer is not ours. */
const VALUE_LENGTH_MAX = 100
const shape = /^(HP-[0-9A-Z]{10})\.(\d{1,9})\.([0-9a-f]{64})$/

export function seal(
  key: Buffer,
  purpose: Purpose,
  shown: { id: ApprovalId; version: number; digest: string },
): string {
  return `${shown.id}.${shown.version}.${macOf(key, purpose, shown)}`
}

/** `null`: nobody here made this. Whether it fits is for `isSealOf` to say. */
export function parseSealed(value: string): Sealed | null {
  const parts = value.length > VALUE_LENGTH_MAX ? null : shape.exec(value)
  const id = parseApprovalId(parts?.[1] ?? '')
  return parts === null || !id.ok ? null : { id: id.value, version: Number(parts[2]), mac: parts[3] ?? '' }
}

/** Whether exactly this digest stood beside this button. */
export function isSealOf(
  key: Buffer,
  { id, version, mac }: Sealed,
  purpose: Purpose,
  digest: string,
): boolean {
  const expected = Buffer.from(macOf(key, purpose, { id, version, digest }), 'hex')
  const given = Buffer.from(mac, 'hex')
  return expected.length === given.length && timingSafeEqual(expected, given)
}

function macOf(
  key: Buffer,
  purpose: Purpose,
  { id, version, digest }: { id: string; version: number; digest: string },
) {
  return createHmac('sha256', key).update(`${purpose}\n${id}\n${version}\n${digest}`).digest('hex')
}
