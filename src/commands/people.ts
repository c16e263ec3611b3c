/** `people list | token | revoke`: personal tokens of those who decide. Who they are stands in `holdpoint.yaml`. */
import type { Config } from '../config.ts'
import { CLI } from '../domain/command-line.ts'
import { didYouMean } from '../domain/did-you-mean.ts'
import { visible } from '../domain/visible.ts'
import { capital, isLive, mint, tokensText, tokenView, withCredentials } from './credentials.ts'
import type { ExitCode } from './io.ts'
import type { Parts } from './parts.ts'
import { printJson, tell } from './session.ts'
import type { Trouble } from './settings.ts'
import { table } from './table.ts'

export function listPeople(parts: Parts, { json }: { json: boolean }): Promise<ExitCode> {
  const { io } = parts
  return withCredentials(parts, async (config, credentials) => {
    const all = await credentials.list('person')
    const people = [...config.people.values()].map((person) => ({
      ...person,
      tokens: all.filter(({ name }) => name === person.id),
    }))
    if (json) {
      printJson(
        io,
        people.map((person) => ({ ...person, tokens: person.tokens.map(tokenView) })),
      )
      return 0
    }
    const rows = people.map(({ id, name, groups, tokens }) => [
      id,
      name,
      groups.join(', '),
      tokensText(tokens),
    ])
    for (const line of table([['PERSON', 'NAME', 'GROUPS', 'TOKENS'], ...rows])) io.out(line)
    return 0
  })
}

export function personToken(parts: Parts, id: string, { json }: { json: boolean }): Promise<ExitCode> {
  const { io } = parts
  return withCredentials(parts, async (config, credentials) => {
    const person = config.people.get(id)
    if (person === undefined) {
      tell(io, noSuchPerson(config, id))
      return 2
    }
    const others = (await credentials.list('person')).filter((one) => one.name === id && isLive(one))
    const token = await mint(credentials, 'person', id, id)
    if (json) {
      printJson(io, { id, token })
      return 0
    }
    io.out(`The personal token of ${person.name}. Whoever has it decides as ${id}. It is shown only now:\n`)
    io.out(`  export HOLDPOINT_TOKEN=${token}\n`)
    io.out(`Then: ${CLI} approvals list`)
    if (others.length > 0) {
      io.err(
        `\n${id} has ${others.length} more live: ${tokensText(others)}. All work until they are revoked.`,
      )
    }
    return 0
  })
}

export function revokePerson(parts: Parts, id: string, { json }: { json: boolean }): Promise<ExitCode> {
  const { io } = parts
  return withCredentials(parts, async (config, credentials, identities) => {
    // Whoever was removed from the file may still have a token: that is the one to revoke.
    const revoked = await credentials.revoke('person', id)
    const sessions = await identities.signOutEverywhere(id)
    if (json) printJson(io, { id, revoked, sessions })
    else if (revoked > 0) io.out(`Revoked ${revoked} of ${id}. A running gateway refuses it within a second.`)
    if (!json && sessions > 0) io.out(`Signed ${id} out of the console (${sessions}).`)
    if (revoked + sessions > 0) return 0
    const wasKnown =
      config.people.has(id) || (await credentials.list('person')).some((one) => one.name === id)
    if (!wasKnown) {
      tell(io, noSuchPerson(config, id))
      return 1
    }
    tell(io, {
      message: `${id} has no live token and no session.`,
      remedy: `\`${CLI} people list\` shows who has.`,
    })
    return 1
  })
}

export function noSuchPerson({ file, people }: Config, id: string): Trouble {
  const known = `People: ${[...people.keys()].join(', ')}.`
  const near = didYouMean(id, people.keys())
  return {
    message: `Nobody is called “${visible(id)}” in ${file ?? 'the built-in configuration'}.`,
    remedy:
      near === null
        ? `${known} More are named under \`people:\` in holdpoint.yaml.`
        : `${capital(near)} ${known}`,
  }
}
