/** What a word in a tool's name or description says about the tool, and why it says so. */
import type { Category, Risk } from '../../risk.ts'

/** Words that mean the same for the person who has to decide. The reason is shown to people. */
export interface Meaning {
  readonly category: Category
  readonly risk: Risk
  readonly reason: string
  /** English: base forms that are verbs wherever they stand. Korean, Japanese, Chinese: stems, as they are written. */
  readonly verbs: readonly string[]
  /** English verbs that are ordinary nouns as well: verbs only where a verb would stand (`run_query`, not `get_run`). */
  readonly verbsOrNouns?: readonly string[]
  /** Says less than the operations that the schema offers, where it offers some. */
  readonly isVague?: true
}

/** Things that make a harmless-looking verb serious, such as the invoice in `create_invoice`. */
export interface Thing {
  readonly kind: 'money' | 'order' | 'price' | 'paid' | 'secret' | 'access' | 'information'
  readonly reason: string
  readonly words: readonly string[]
}
