/** On top of every page while something is stopped: nobody should look for the reason elsewhere. */
import { type Stop, scopeText } from '../domain/stop.ts'
import { visible } from '../domain/visible.ts'

export function StopBanner({ stops, root }: { stops: readonly Stop[]; root: string }) {
  const [first] = stops
  if (first === undefined) return null
  const more = stops.length - 1
  return (
    <div class="stopped" role="status">
      <strong>Stopped: {visible(scopeText(first.scope))}</strong>
      <span>
        by {visible(first.by)}: {visible(first.reason)}
      </span>
      <a href={`${root}/stops`}>{more === 0 ? 'Look at it' : `and ${more} more`}</a>
    </div>
  )
}
