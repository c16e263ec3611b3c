/** A pattern that text is looked for with. Whoever reads policies decides how it is compiled. */

export interface Regex {
  readonly source: string
  /** Found anywhere in the text; `^` and `$` tie it to the ends. `null`: the text is too long to look at. */
  readonly isFoundIn: (text: string) => boolean | null
}
