/** `doctor slack`: every part of the Slack set-up, what was found, and what to do about it. */
import type { Config } from '../config.ts'
import { CLI } from '../domain/command-line.ts'
import { silentLog } from '../launch/log.ts'
import { examine, slackMissing } from '../launch/slack.ts'
import type { Identities } from '../ports/identities.ts'
import { withCredentials } from './credentials.ts'
import type { ExitCode } from './io.ts'
import type { Parts } from './parts.ts'
import { printJson } from './session.ts'

interface Check {
  readonly name: string
  readonly isFine: boolean
  readonly found: string
  readonly remedy: string | null
}

export function doctorSlack(parts: Parts, { json }: { json: boolean }): Promise<ExitCode> {
  const { io } = parts
  return withCredentials(parts, async (config, _credentials, identities) => {
    const checks = [...settings(config), ...((await examine(config, silentLog)) ?? [])]
    checks.push(await linkedPeople(config, identities))
    const failed = checks.filter(({ isFine }) => !isFine).length
    if (json) printJson(io, { fine: failed === 0, checks })
    else {
      for (const { name, isFine, found, remedy } of checks) {
        io.out(`${isFine ? io.colours.green('fine') : io.colours.red('FAIL')}  ${name}: ${found}`)
        if (remedy !== null) io.out(`      → ${remedy}`)
      }
      io.out(failed === 0 ? 'Slack is ready.' : `${failed} of ${checks.length} checks failed.`)
    }
    return failed === 0 ? 0 : 1
  })
}

function settings(config: Config): readonly Check[] {
  const missing = slackMissing(config)
  const found = missing === null ? `cards go to ${config.channels.slack?.channel ?? ''}` : 'not complete'
  return [{ name: 'settings', isFine: missing === null, found, remedy: missing }]
}

async function linkedPeople({ people }: Config, identities: Identities): Promise<Check> {
  const names: string[] = []
  for (const id of people.keys()) {
    if ((await identities.accountsOf('slack', id)).length > 0) names.push(id)
  }
  const unlinked = [...people.keys()].filter((id) => !names.includes(id))
  return {
    name: 'linked people',
    isFine: names.length > 0,
    found: `${names.join(', ') || 'nobody'}${unlinked.length === 0 ? '' : `; not yet: ${unlinked.join(', ')}`}`,
    remedy:
      unlinked.length === 0
        ? null
        : `\`${CLI} people link <name>\` makes a code; in Slack they type /holdpoint link CODE.`,
  }
}
