/** Where a program keeps what is its owner's: agents of another person get another home. */
import { join } from 'node:path'
import type { Principal } from '../../domain/principal.ts'
import { ok, type Result } from '../../domain/result.ts'
import type { Command } from './child.ts'

/** The directory that a program has as its home; an error says why there is none. */
export type HomeOf = (principal: Principal) => Promise<Result<string, string>>

/** @param homeOf `null`: the gateway's own home. What the configuration says wins. */
export async function commandFor(
  principal: Principal,
  command: Command,
  homeOf: HomeOf | null,
): Promise<Result<Command, string>> {
  if (homeOf === null) return ok(command)
  const home = await homeOf(principal)
  return home.ok ? ok({ ...command, env: { ...homeVariables(home.value), ...command.env } }) : home
}

/** How programs find their home: POSIX and Windows. What follows from it (`~/.config` …) they find themselves. */
const homeVariables = (home: string) =>
  process.platform === 'win32'
    ? {
        USERPROFILE: home,
        HOME: home,
        APPDATA: join(home, 'AppData', 'Roaming'),
        LOCALAPPDATA: join(home, 'AppData', 'Local'),
      }
    : { HOME: home }
