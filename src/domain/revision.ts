/** One policy of one server with the approvers that go with it, numbered: every one that was ever in force is kept. */
import type { InstantMs } from './approval.ts'
import { digestOf, sha256 } from './canonical.ts'
import type { ApproverChain } from './policy.ts'

/** Who put a revision in force. `restores`: the number of the one that a person brought back. */
export type PutBy =
  | { readonly kind: 'file_at_start' }
  | { readonly kind: 'file_changed' }
  | { readonly kind: 'person'; readonly person: string; readonly restores: number | null }

export interface NewRevision {
  readonly server: string
  /** How people know the policy: the path of its file as the configuration has it, or `built-in`. */
  readonly source: string
  /** What the file says, as it says it. `null`: the server has no policy, so that its calls are refused until it has one. */
  readonly text: string | null
  readonly approvers: ApproverChain
  /** The files that said so, as `<host>:<absolute path>`; `null` where a person did. */
  readonly textOrigin: string | null
  readonly approversOrigin: string | null
  readonly putBy: PutBy
}

export interface Revision extends NewRevision {
  /** Counts from 1 for each server. The highest one is in force. */
  readonly number: number
  readonly putAtMs: InstantMs
}

export type RevisionHead = Omit<Revision, 'text'> & { readonly digest: string }

/** SHA-256 of the text itself, as `sha256sum` says it of the file. */
export const textDigest = (text: string | null): string => sha256(text ?? '')

export const approversDigest = ({ groups, people, selfConfirm }: ApproverChain): string =>
  digestOf({ groups: [...groups].sort(), people: [...people].sort(), selfConfirm })

/** What a gateway's own files say about one of its servers. */
export interface Offer {
  readonly server: string
  readonly source: string
  /** `null`: the configuration names no policy. */
  readonly text: string | null
  readonly approvers: ApproverChain
  readonly textOrigin: string
  readonly approversOrigin: string
}

/** The newest revisions that had this text and these approvers; `null`: none ever had. */
export interface HadBefore {
  readonly text: number | null
  readonly approvers: number | null
}

/**
 * What of an offer comes into force by itself: what never was in force, and what the very file that was in force says now.
 * Anything else is an old file of another gateway, which must not undo what has replaced it; a person can.
 * @returns `null`: nothing of it
 */
export function partsTaken(
  offer: Offer,
  inForce: Revision | null,
  had: HadBefore,
  putBy: PutBy,
): NewRevision | null {
  const { server, source, text, approvers, textOrigin, approversOrigin } = offer
  // A configuration that names no policy says nothing about one: a person sets the server up, and that stays.
  if (inForce === null && text === null) return null
  if (inForce === null) return { server, source, text, approvers, textOrigin, approversOrigin, putBy }
  const takesText =
    text !== null &&
    textDigest(text) !== textDigest(inForce.text) &&
    (had.text === null || inForce.textOrigin === textOrigin)
  const takesApprovers =
    approversDigest(approvers) !== approversDigest(inForce.approvers) &&
    (had.approvers === null || inForce.approversOrigin === approversOrigin)
  if (!takesText && !takesApprovers) return null
  return {
    server,
    ...(takesText
      ? { source, text, textOrigin }
      : { source: inForce.source, text: inForce.text, textOrigin: inForce.textOrigin }),
    ...(takesApprovers
      ? { approvers, approversOrigin }
      : { approvers: inForce.approvers, approversOrigin: inForce.approversOrigin }),
    putBy,
  }
}

export function putByText(putBy: PutBy): string {
  switch (putBy.kind) {
    case 'file_at_start':
      return 'its file, when a gateway started'
    case 'file_changed':
      return 'its file, when it was changed'
    case 'person':
      return putBy.restores === null
        ? putBy.person
        : `${putBy.person}, who brought back revision ${putBy.restores}`
  }
}
