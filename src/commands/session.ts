/** What every `approvals` command begins with: the client, and what to say when something is in the way. */
import type { ApprovalDetail, ApprovalView } from '../api/schemas.ts'
import { fromView, isDigestOfWhatIsShown } from '../api/view.ts'
import { type Presented, present } from '../domain/present.ts'
import { ok, type Result } from '../domain/result.ts'
import { type Client, createClient } from './client.ts'
import type { ExitCode, Io } from './io.ts'
import type { Parts } from './parts.ts'
import { localTime } from './render.ts'
import { type ClientSettings, clientSettings, type Trouble } from './settings.ts'

export const withClient = (
  parts: Parts,
  use: (client: Client) => Promise<Result<ExitCode, Trouble>>,
): Promise<ExitCode> => withGateway(parts, (settings) => use(createClient(settings)))

export async function withGateway(
  { io, surroundings }: Parts,
  use: (settings: ClientSettings) => Promise<Result<ExitCode, Trouble>>,
): Promise<ExitCode> {
  const settings = clientSettings(surroundings)
  if (!settings.ok) {
    tell(io, settings.error)
    return 2
  }
  const used = await use(settings.value)
  if (used.ok) return used.value
  tell(io, used.error)
  return 1
}

export function tell({ err, colours }: Io, { message, remedy }: Trouble): void {
  err(colours.red(message))
  if (remedy !== null) err(`  → ${remedy}`)
}

export const done: Result<ExitCode, Trouble> = ok(0)

export const printJson = ({ out }: Io, value: unknown) => out(JSON.stringify(value, null, 2))

export function presentDetail({
  approval,
  now,
  isRequesterWaiting,
  startWithinMs,
  lookups,
}: ApprovalDetail): Presented {
  const nowMs = Date.parse(now)
  return present(fromView(approval, lookups), {
    nowMs,
    isRequesterWaiting,
    startWithinMs,
    when: (atMs) => localTime(atMs, nowMs),
    // The gateway sends them only to those who may.
    readsLookups: true,
  })
}

/** A yes to a digest that does not belong to what is on the screen would be a yes to something else. */
export const mismatch = (view: ApprovalView): Trouble | null =>
  isDigestOfWhatIsShown(view)
    ? null
    : {
        message: 'The digest the gateway gives is not the digest of what it shows. Do not approve this.',
        remedy: 'Tell whoever runs the gateway.',
      }
