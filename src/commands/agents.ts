/** `agents add | list | revoke`: the programs that call, each with a person who answers for it. */
import type { Config } from '../config.ts'
import { CLI } from '../domain/command-line.ts'
import { didYouMean } from '../domain/did-you-mean.ts'
import { err, ok, type Result } from '../domain/result.ts'
import { connectLines } from '../launch/connect-lines.ts'
import { endpointOf, gatewayUrl } from './connect.ts'
import { capital, isLive, mint, tokensText, tokenView, withCredentials } from './credentials.ts'
import type { ExitCode } from './io.ts'
import type { Parts } from './parts.ts'
import { printJson, tell } from './session.ts'
import type { Trouble } from './settings.ts'
import { table } from './table.ts'

/** The names that `holdpoint.yaml` takes. */
const nameShape = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/

export function addAgent(
  parts: Parts,
  name: string,
  options: { owner: string | null; json: boolean },
): Promise<ExitCode> {
  const { io, surroundings } = parts
  return withCredentials(parts, async (config, credentials) => {
    const owner = ownerOf(config, name, options.owner)
    if (!owner.ok) {
      tell(io, owner.error)
      return 2
    }
    const others = (await credentials.list('agent')).filter((one) => one.name === name && isLive(one))
    const token = await mint(credentials, 'agent', name, owner.value)
    const servers = config.serverNames.map((server) => ({
      name: server,
      url: endpointOf(gatewayUrl(surroundings, config), server),
    }))
    if (options.json) {
      printJson(io, { name, owner: owner.value, token, servers })
      return 0
    }
    io.out(`The token of the agent ${name}, for whom ${owner.value} answers. It is shown only now:\n`)
    io.out(`  ${token}\n`)
    for (const server of servers) {
      io.out(`${server.name}  ${server.url}`)
      for (const { client, line } of connectLines(server.name, server.url, token)) {
        io.out(`  ${client.padEnd(12)} ${line}`)
      }
    }
    if (others.length > 0) {
      io.err(
        `\n${name} has ${others.length} more live: ${tokensText(others)}. All work until they are revoked.`,
      )
    }
    return 0
  })
}

/** The configuration knows best; an agent that is not listed there needs an owner who is a person in it. */
function ownerOf(config: Config, name: string, said: string | null): Result<string, Trouble> {
  if (!nameShape.test(name)) {
    const remedy = 'Use 1 to 64 letters, digits, ".", "_", "@" or "-".'
    return err({ message: 'This is not a name for an agent.', remedy })
  }
  const listed = config.agents.get(name)?.owner
  const where = config.file ?? 'the built-in configuration'
  if (listed !== undefined && said !== null && said !== listed) {
    return err({
      message: `${where} says that ${listed} answers for ${name}, not ${said}.`,
      remedy: 'Leave out --owner, or change the file.',
    })
  }
  const owner = listed ?? said
  const people = `People: ${[...config.people.keys()].join(', ')}.`
  if (owner === null) {
    return err({
      message: `${name} is not listed in ${where}, so say which person answers for it.`,
      remedy: `Add --owner <person>. ${people}`,
    })
  }
  if (!config.people.has(owner)) {
    const near = didYouMean(owner, config.people.keys())
    const remedy = near === null ? people : `${capital(near)} ${people}`
    return err({ message: `${owner} is not a person in ${where}.`, remedy })
  }
  return ok(owner)
}

export function listAgents(parts: Parts, { json }: { json: boolean }): Promise<ExitCode> {
  const { io } = parts
  return withCredentials(parts, async (config, credentials) => {
    const all = await credentials.list('agent')
    const names = [...new Set([...config.agents.keys(), ...all.map(({ name }) => name)])].sort()
    const agents = names.map((name) => {
      const own = all.filter((credential) => credential.name === name)
      return {
        name,
        owner: config.agents.get(name)?.owner ?? own.findLast(isLive)?.owner ?? own.at(-1)?.owner ?? '',
        isListed: config.agents.has(name),
        tokens: own,
      }
    })
    if (json) {
      printJson(
        io,
        agents.map((agent) => ({ ...agent, tokens: agent.tokens.map(tokenView) })),
      )
    } else if (agents.length === 0) {
      io.out(`There are no agents with a token. \`${CLI} agents add <name> --owner <person>\` makes one.`)
    } else {
      const rows = agents.map((agent) => [
        agent.name,
        agent.owner,
        tokensText(agent.tokens),
        agent.isListed ? 'the configuration' : 'agents add',
      ])
      for (const line of table([['AGENT', 'OWNER', 'TOKENS', 'KNOWN FROM'], ...rows])) io.out(line)
    }
    return 0
  })
}

export function revokeAgent(parts: Parts, name: string, { json }: { json: boolean }): Promise<ExitCode> {
  const { io } = parts
  return withCredentials(parts, async (config, credentials) => {
    const revoked = await credentials.revoke('agent', name)
    if (json) printJson(io, { name, revoked })
    else if (revoked > 0)
      io.out(`Revoked ${revoked} of ${name}. A running gateway refuses it within a second.`)
    if (revoked > 0) return 0
    const names = [...config.agents.keys(), ...(await credentials.list('agent')).map((one) => one.name)]
    const near = names.includes(name) ? null : didYouMean(name, names)
    const instead = near === null ? '' : `${capital(near)} `
    tell(io, {
      message: `No agent ${name} has a live token.`,
      remedy: `${instead}\`${CLI} agents list\` shows them.`,
    })
    return 1
  })
}
