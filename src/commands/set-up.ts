/** `set-up`: servers without a policy, the policy that is proposed for one, and accepting it or taking it into a file to change. */
import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { policyPut } from '../api/policy-schemas.ts'
import { type SetUpView, setUpList, setUpView } from '../api/set-up-schemas.ts'
import { CLI } from '../domain/command-line.ts'
import { ok } from '../domain/result.ts'
import { visible } from '../domain/visible.ts'
import { createRequest } from './client.ts'
import type { ExitCode, Io } from './io.ts'
import type { Parts } from './parts.ts'
import { paint } from './scan-render.ts'
import { done, printJson, tell, withGateway } from './session.ts'
import { table } from './table.ts'

export function listSetUps(parts: Parts, isJson: boolean): Promise<ExitCode> {
  const { io } = parts
  return withGateway(parts, async (settings) => {
    const answer = await createRequest(settings)('/set-ups', setUpList)
    if (!answer.ok) return answer
    const { servers } = answer.value
    if (isJson) printJson(io, answer.value)
    else if (servers.length === 0) io.out('Every server has a policy.')
    else {
      for (const server of servers) io.out(visible(server))
      io.err(`Their calls are refused. Look at what is proposed: ${CLI} set-up <server>`)
    }
    return done
  })
}

export interface SetUpOptions {
  readonly accept: boolean
  /** Of what the person looked at; `null`: they are shown it and asked. */
  readonly digest: string | null
  /** Where the proposal is written, to be changed there. */
  readonly write: string | null
  readonly json: boolean
}

export function setUp(parts: Parts, server: string, options: SetUpOptions): Promise<ExitCode> {
  const { io, surroundings } = parts
  const { accept, digest, write, json } = options
  return withGateway(parts, async (settings) => {
    const request = createRequest(settings)
    const path = `/set-ups/${encodeURIComponent(server)}`
    const shown = await request(path, setUpView)
    if (!shown.ok) return shown
    const { proposal } = shown.value
    if (json) printJson(io, shown.value)
    else for (const line of lines(shown.value, io)) io.out(line)
    if (write !== null && proposal !== null) {
      try {
        await writeFile(resolve(surroundings.cwd, write), proposal.text, { flag: 'wx' })
      } catch (error) {
        const message = `${write} was not written: ${error instanceof Error ? error.message : String(error)}`
        tell(io, { message, remedy: 'name another file; one that is there is never overwritten' })
        return ok(1)
      }
      io.err(`Wrote ${write}. When you have changed it: ${CLI} policy apply ${write} --server ${server}`)
    }
    if (!accept) return done
    if (proposal === null) {
      tell(io, {
        message: 'Nothing was put in force: which tools it has is not known yet.',
        remedy: `write a policy and apply it: ${CLI} policy apply <file> --server ${server}`,
      })
      return ok(1)
    }
    if (digest === null) {
      if (!io.isInteractive) {
        tell(io, {
          message: 'Nothing was put in force: nobody can be asked here.',
          remedy: `add --digest, as \`${CLI} set-up ${server} --json\` says it`,
        })
        return ok(2)
      }
      const answer = await io.ask(`Put this in force for ${visible(server)}? [y/N] `)
      if (!/^y(?:es)?$/i.test(answer.trim())) {
        io.err('Nothing was put in force.')
        return ok(1)
      }
    }
    const put = await request(path, policyPut, { digest: digest ?? proposal.digest })
    if (!put.ok) return put
    io.err(`Revision ${put.value.number} of the policy of ${visible(server)} is in force.`)
    return done
  })
}

function lines({ server, proposal, problem }: SetUpView, { colours }: Io): readonly string[] {
  const { bold, dim } = colours
  if (proposal === null) {
    const why = problem === null ? 'it has not been listed yet' : visible(problem)
    return [`${bold(visible(server))}  no policy, and its tools are not known: ${why}`]
  }
  const count = (gets: string) => proposal.tools.filter((tool) => tool.gets === gets).length
  const rows = proposal.tools.map(({ tool, gets, risk, why }) => [gets, visible(tool), risk, visible(why)])
  return [
    `${bold(visible(server))}  ${proposal.tools.length} tools: ${count('ask')} would ask, ${count('allow')} would pass`,
    '',
    ...table([['GETS', 'TOOL', 'RISK', 'WHY'], ...rows]).map((line, index) => {
      const risk = proposal.tools[index - 1]?.risk
      return risk === undefined ? line : paint(risk, colours)(line)
    }),
    '',
    dim(`digest ${proposal.digest}`),
    `Accept it: ${CLI} set-up ${visible(server)} --accept   Change it first: ${CLI} set-up ${visible(server)} --write <file>`,
  ]
}
