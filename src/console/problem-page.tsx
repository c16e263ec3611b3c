/** A page for what is not there, not allowed, or went wrong: one sentence and the way back. */
import { page, type Reader, rootOf } from './layout.tsx'

export function problemPage(path: string, reader: Reader | null, text: string) {
  const root = rootOf(path)
  return page({
    title: 'Not here',
    root,
    reader,
    children: (
      <div class="empty">
        <h1>{text}</h1>
        <p>
          <a href={`${root}/`}>What waits now</a>
        </p>
      </div>
    ),
  })
}
