/** An edit in words and lines: who changed what, as every door shows it. Long values are told by the part that differs. */
import { askedParams, type Edited, isEdited } from './approval.ts'
import type { JsonObject, JsonValue } from './canonical.ts'
import { differencesOf } from './difference.ts'
import { visible } from './visible.ts'

export interface Change {
  /** JSON Pointer into the `params`, such as `/arguments/to/0`. Safe to show, as the values are. */
  readonly pointer: string
  /** `null`: there was nothing. */
  readonly asked: string | null
  readonly proposed: string | null
}

export interface ShownEdit {
  /** One sentence: by whom, when, why, and where it differs now. */
  readonly text: string
  readonly changes: readonly Change[]
  /** There are more places than are listed; all of what would be sent is shown elsewhere anyway. */
  readonly isCut: boolean
}

/** So much of a value is shown beside its earlier form. What would be sent stands in full below it. */
const VALUE_MAX = 400
/** Around the part that differs. */
const CONTEXT = 40
/** Named in the sentence; the others are in the list. */
const NAMED_MAX = 3

/** @param when an instant in the words of the surface. `null`: nobody edited it. */
export function editOf(approval: Edited, when: (atMs: number) => string): ShownEdit | null {
  const last = approval.edits.at(-1)
  if (last === undefined) return null
  const said = last.reason === null ? '' : `: “${visible(last.reason)}”`
  const often = approval.edits.length > 1 ? ` (${approval.edits.length} edits so far)` : ''
  const who = `by ${visible(last.by)}, ${when(last.atMs)}${often}${said}`
  if (!isEdited(approval))
    return { text: `${who}; it is what the agent asked for again`, changes: [], isCut: false }
  const { found, isCut } = differencesOf(askedParams(approval), approval.proposed.canonicalParams)
  const changes = found.map(({ pointer, before, after }) => {
    const [asked, proposed] = excerpts(before, after)
    return { pointer: visible(pointer), asked, proposed }
  })
  const named = changes.slice(0, NAMED_MAX).map(({ pointer }) => shortened(pointer))
  const more = found.length > NAMED_MAX || isCut ? ' and in more places' : ''
  return {
    text: `${who}; the agent had asked for something else in ${named.join(', ')}${more}`,
    changes,
    isCut,
  }
}

const shortened = (pointer: string) => (pointer.length > 80 ? `${pointer.slice(0, 80)}…` : pointer)

/** Both values around the part in which they differ. */
function excerpts(before: string | null, after: string | null): readonly [string | null, string | null] {
  const [was, is] = [[...(before ?? '')], [...(after ?? '')]]
  const isShort = was.length <= VALUE_MAX && is.length <= VALUE_MAX
  const from = isShort || before === null || after === null ? 0 : Math.max(0, commonStart(was, is) - CONTEXT)
  return [before === null ? null : excerpt(was, from), after === null ? null : excerpt(is, from)]
}

function commonStart(one: readonly string[], other: readonly string[]): number {
  let at = 0
  while (at < one.length && one[at] === other[at]) at++
  return at
}

function excerpt(value: readonly string[], from: number): string {
  const part = visible(value.slice(from, from + VALUE_MAX).join(''))
  const isWhole = from === 0 && value.length <= VALUE_MAX
  return isWhole ? part : `${from === 0 ? '' : '…'}${part}… (${value.length} characters)`
}

export interface EditForAgent {
  readonly by: string
  /** ISO 8601. */
  readonly at: string
  readonly reason: string | null
  /** JSON Pointers into the `params`. */
  readonly differs: readonly string[]
  /** There are more places than are listed. */
  readonly differsInMore: boolean
  /** The ones that would be sent, or were: what runs in its name is the agent's to know. */
  readonly arguments: JsonValue
}

/** As data, in `_meta` and in `/api/v1/calls`. `null`: what would be sent is what the agent asked for. */
export function editForAgent(approval: Edited): (EditForAgent & JsonObject) | null {
  const last = approval.edits.at(-1)
  if (last === undefined || !isEdited(approval)) return null
  const { canonicalParams } = approval.proposed
  const { found, isCut } = differencesOf(askedParams(approval), canonicalParams)
  const params: { arguments?: JsonValue } = JSON.parse(canonicalParams)
  return {
    by: last.by,
    at: new Date(last.atMs).toISOString(),
    reason: last.reason,
    differs: found.map(({ pointer }) => pointer),
    differsInMore: isCut,
    arguments: params.arguments ?? {},
  }
}
