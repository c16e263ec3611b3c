/** `holdpoint agents …` and `holdpoint people …`: what their commands take. */
import type { Command } from 'commander'
import type { ExitCode } from './io.ts'
import type { Parts } from './parts.ts'

interface Json {
  json?: boolean
}
type Finish = (code: ExitCode) => void

export function addAgents(program: Command, parts: Parts, finish: Finish): void {
  const agents = program.command('agents').description('the programs that call, and their tokens')
  agents
    .command('add')
    .description('make a token for an agent; it is shown once')
    .argument('<name>', 'as in holdpoint.yaml, or a new name')
    .option('--owner <person>', 'who answers for it, where the configuration does not say')
    .option('--json', 'for programs')
    .action(async (name: string, { owner, json = false }: Json & { owner?: string }) => {
      const { addAgent } = await import('./agents.ts')
      finish(await addAgent(parts, name, { owner: owner ?? null, json }))
    })
  agents
    .command('list')
    .description('agents, their owners and tokens')
    .option('--json', 'for programs')
    .action(async ({ json = false }: Json) => {
      const { listAgents } = await import('./agents.ts')
      finish(await listAgents(parts, { json }))
    })
  agents
    .command('revoke')
    .description('revoke every token of an agent')
    .argument('<name>')
    .option('--json', 'for programs')
    .action(async (name: string, { json = false }: Json) => {
      const { revokeAgent } = await import('./agents.ts')
      finish(await revokeAgent(parts, name, { json }))
    })
}

export function addPeople(program: Command, parts: Parts, finish: Finish): void {
  const people = program.command('people').description('those who decide, and their personal tokens')
  people
    .command('list')
    .description('people, their groups and tokens')
    .option('--json', 'for programs')
    .action(async ({ json = false }: Json) => {
      const { listPeople } = await import('./people.ts')
      finish(await listPeople(parts, { json }))
    })
  people
    .command('token')
    .description('make a personal token; it is shown once')
    .argument('<id>', 'as in holdpoint.yaml')
    .option('--json', 'for programs')
    .action(async (id: string, { json = false }: Json) => {
      const { personToken } = await import('./people.ts')
      finish(await personToken(parts, id, { json }))
    })
  people
    .command('link')
    .description('make a one-time code to sign in to the console, or to link a Slack account')
    .argument('<id>', 'as in holdpoint.yaml')
    .option('--json', 'for programs')
    .action(async (id: string, { json = false }: Json) => {
      const { personLink } = await import('./people-link.ts')
      finish(await personLink(parts, id, { json }))
    })
  people
    .command('revoke')
    .description('revoke every token of a person and sign them out')
    .argument('<id>')
    .option('--json', 'for programs')
    .action(async (id: string, { json = false }: Json) => {
      const { revokePerson } = await import('./people.ts')
      finish(await revokePerson(parts, id, { json }))
    })
}
