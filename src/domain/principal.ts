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
