/** `accounts list | connect | disconnect`: whose accounts the agents of each person use at servers that have some. */
import { issueLinkCode, signInLink } from '../auth/link-code.ts'
import { CLI } from '../domain/command-line.ts'
import { gatewayUrl } from './connect.ts'
import { withCredentials } from './credentials.ts'
import type { ExitCode } from './io.ts'
import type { Parts } from './parts.ts'
import { noSuchPerson } from './people.ts'
import { printJson, tell } from './session.ts'
import { table } from './table.ts'

export function listAccounts(parts: Parts, { json }: { json: boolean }): Promise<ExitCode> {
  const { io } = parts
  return withCredentials(parts, async (_config, _credentials, _identities, accounts) => {
    const all = (await accounts.list()).map(({ server, owner, connectedAtMs }) => ({
      server,
      person: owner,
      connectedAt: new Date(connectedAtMs).toISOString(),
    }))
    if (json) printJson(io, all)
    else if (all.length === 0) {
      io.out(
        `No accounts are connected. \`${CLI} accounts connect <server> --person <id>\` says how it is done.`,
      )
    } else {
      const rows = all.map(({ server, person, connectedAt }) => [server, person, connectedAt])
      for (const line of table([['SERVER', 'PERSON', 'CONNECTED'], ...rows])) io.out(line)
    }
    return 0
  })
}

/** Consent is given in a browser, by the person. What is printed leads there. */
export function connectAccount(
  parts: Parts,
  server: string,
  { person, json }: { person: string; json: boolean },
): Promise<ExitCode> {
  const { io, surroundings } = parts
  return withCredentials(parts, async (config, _credentials, identities) => {
    if (!config.people.has(person)) {
      tell(io, noSuchPerson(config, person))
      return 2
    }
    if (!config.serverNames.includes(server)) {
      tell(io, {
        message: `There is no server ${server}.`,
        remedy: `There are: ${config.serverNames.join(', ')}.`,
      })
      return 2
    }
    const base = gatewayUrl(surroundings, config)
    const signIn = signInLink(base, await issueLinkCode(identities, person))
    const page = `${base}/accounts#${server}`
    if (json) printJson(io, { server, person, signIn, page })
    else {
      io.out(`${person} connects their account at ${server} in a browser:\n`)
      io.out(`  1. sign in   ${signIn}`)
      io.out(`  2. connect   ${page}`)
    }
    return 0
  })
}

export function disconnectAccount(
  parts: Parts,
  server: string,
  { person, json }: { person: string; json: boolean },
): Promise<ExitCode> {
  const { io } = parts
  return withCredentials(parts, async (_config, _credentials, _identities, accounts) => {
    const disconnected = await accounts.remove(server, person)
    if (json) printJson(io, { server, person, disconnected })
    else if (disconnected)
      io.out(`Disconnected. The gateway holds no tokens of ${person} at ${server} any more.`)
    if (disconnected) return 0
    tell(io, {
      message: `${person} has no account connected at ${server}.`,
      remedy: `\`${CLI} accounts list\` shows all.`,
    })
    return 1
  })
}
