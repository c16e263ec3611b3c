/** What became of what a person has just done on a page. */
import { visible } from '../domain/visible.ts'

export interface Acted {
  readonly isGood: boolean
  readonly text: string
}

/** `null`: the page was only opened. */
export function ActedNotice({ acted }: { acted: Acted | null }) {
  if (acted === null) return null
  return (
    <div class="notice" role={acted.isGood ? 'status' : 'alert'}>
      <strong>{acted.isGood ? 'Done.' : 'Not done.'}</strong>
      <p>{visible(acted.text)}</p>
    </div>
  )
}
