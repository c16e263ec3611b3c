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
  /** What the file says, as it says it. `null`: the server has no policy, so that people are asked about every call. */
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
