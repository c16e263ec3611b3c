/**
 * A call that is nearly one that waits already: the same agent asks the same tool, with a few other arguments. Agents that
 * get impatient do this, and then two calls wait where one was meant. Places only, never values: nothing has to be masked.
 */
import { type Approval, askedParams } from './approval.ts'
import type { ApprovalId } from './approval-id.ts'
import { differencesOf } from './difference.ts'
import type { ToolCall } from './tool-call.ts'

export interface Likeness {
  /** The one that waited when this one was asked. */
  readonly id: ApprovalId
  /** JSON Pointers (RFC 6901) into the `params`, in the order of the earlier call. */
  readonly differs: readonly string[]
}

/** With more other places than this it is another call to the same tool, and no slip. */
const DIFFERS_MAX = 8
/** A key of a member can be as long as it likes; a pointer that people read is not. */
const POINTER_LENGTH_MAX = 200

/** Of several, the one that differs least; of equals, the newest. @param pending newest first; whatever is not alike is left out */
export function likenessOf(call: ToolCall, pending: readonly Approval[]): Likeness | null {
  let closest: Likeness | null = null
  for (const approval of pending) {
    const { asked, id } = approval
    const isSame =
      asked.requester.name === call.principal.name &&
      asked.requester.owner === call.principal.owner &&
      asked.server === call.server &&
      asked.tool === call.tool
    if (!isSame) continue
    const { found, isCut } = differencesOf(askedParams(approval), call.canonicalParams, DIFFERS_MAX)
    // None at all: the same call under another idempotency key or in another era, which somebody meant.
    if (isCut || found.length === 0) continue
    if (closest !== null && closest.differs.length <= found.length) continue
    closest = { id, differs: found.map(({ pointer }) => shortened(pointer)) }
  }
  return closest
}

function shortened(pointer: string): string {
  const signs = [...pointer]
  return signs.length <= POINTER_LENGTH_MAX ? pointer : `${signs.slice(0, POINTER_LENGTH_MAX).join('')}…`
}
