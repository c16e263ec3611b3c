/** Who calls and who decides. */

/** An authenticated agent. `owner` is the person who answers for it and may therefore not approve its calls. */
export interface Principal {
  readonly name: string
  readonly owner: string
}

/** A human in the directory. `id` is the key in `holdpoint.yaml`. */
export interface Person {
  readonly id: string
  readonly name: string
  readonly groups: readonly string[]
}

/** No person's id holds a colon. */
const NOBODY = 'unknown:'

/** The owner of an agent for whom no person of the directory is known to answer. */
export const unknownOwner = (who: string): string => `${NOBODY}${who}`

/**
 * Whether a person answers for this agent. While it is not known who does, nobody can be told apart from them, so nobody
 * may decide about its calls: only what needs no decision passes.
 */
export const hasOwner = ({ owner }: Pick<Principal, 'owner'>): boolean => !owner.startsWith(NOBODY)
