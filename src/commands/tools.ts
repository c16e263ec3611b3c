/** `tools list`, `diff` and `accept`: what servers changed about their tools since somebody accepted them. */
import type { PinnedToolView } from '../api/tool-schemas.ts'
import { CLI } from '../domain/command-line.ts'
import { ok } from '../domain/result.ts'
import { visible } from '../domain/visible.ts'
import type { ExitCode } from './io.ts'
import type { Parts } from './parts.ts'
import { localTime } from './render.ts'
import { done, printJson, tell, withClient } from './session.ts'
import { table } from './table.ts'

interface ListOptions {
  readonly server: string | null
  /** Those that were accepted as well. */
  readonly all: boolean
  readonly json: boolean
}

export function listTools(parts: Parts, { server, all, json }: ListOptions): Promise<ExitCode> {
  const { io } = parts
  return withClient(parts, async (client) => {
    const answer = await client.tools({ server, state: all ? 'all' : 'waiting' })
    if (!answer.ok) return answer
    const { tools } = answer.value
    if (json) printJson(io, answer.value)
    else if (tools.length === 0)
      io.out(
        all ? 'No tools were seen yet.' : 'No tool waits to be accepted. --all shows all that were seen.',
      )
    else {
      for (const line of rows(tools)) io.out(line)
      if (!all)
        io.err(
          `What changed: ${CLI} tools diff <server> <tool>. Accept it: ${CLI} tools accept <server> <tool>`,
        )
    }
    return done
  })
}

const rows = (tools: readonly PinnedToolView[]) =>
  table([
    ['SERVER', 'TOOL', 'STATE', 'CATEGORY', 'RISK', 'SINCE', 'ACCEPTED BY'],
    ...tools.map(({ server, tool, state, accepted, waiting }) => {
      const now = waiting ?? accepted
      const since = now === null ? '' : localTime(Date.parse(now.at), Date.now())
      const by = accepted === null ? '' : takenBy(accepted.by)
      return [visible(server), visible(tool), state, now?.category ?? 'unknown', now?.risk ?? '', since, by]
    }),
  ])

export function diffTool(
  parts: Parts,
  server: string,
  tool: string,
  { json }: { json: boolean },
): Promise<ExitCode> {
  const { io } = parts
  const { bold, dim, red, green } = io.colours
  return withClient(parts, async (client) => {
    const answer = await client.tool(server, tool)
    if (!answer.ok) return answer
    const detail = answer.value
    if (json) {
      printJson(io, detail)
      return done
    }
    const { accepted, waiting, state } = detail.tool
    io.out(`${bold(visible(tool))}  ${visible(server)}  ${state}`)
    if (accepted !== null)
      io.out(`${dim('accepted')}  ${word(accepted)}, by ${takenBy(accepted.by)}  ${dim(accepted.digest)}`)
    if (waiting === null) {
      io.out('It is what was accepted.')
      return done
    }
    io.out(`${dim('waiting ')}  ${word(waiting)}  ${dim(waiting.digest)}`)
    io.out('')
    for (const { path, before, after } of detail.difference) {
      io.out(bold(visible(path)))
      if (before !== null) io.out(red(`  - ${visible(before)}`))
      if (after !== null) io.out(green(`  + ${visible(after)}`))
    }
    if (!detail.isComplete) io.out(`… and more: the whole definition stands under \`definition\` in --json`)
    io.err(
      `Accept exactly this: ${CLI} tools accept ${visible(server)} ${visible(tool)} --digest ${waiting.digest}`,
    )
    return done
  })
}

/** A person, or the rule that took it: `first sight`. */
const takenBy = (by: string) => visible(by.replace(/^person:/, ''))

const word = ({ category, risk }: { category: string | null; risk: string }) =>
  `${category ?? 'unknown'}, ${risk}`

interface AcceptOptions {
  /** Of what the person looked at; `null`: they are shown it and asked. */
  readonly digest: string | null
  /** The accepted definition stays, and what waits is dropped. */
  readonly keep: boolean
}

export function acceptTool(
  parts: Parts,
  server: string,
  tool: string,
  { digest, keep }: AcceptOptions,
): Promise<ExitCode> {
  const { io } = parts
  return withClient(parts, async (client) => {
    const shown = await client.tool(server, tool)
    if (!shown.ok) return shown
    const { accepted, waiting } = shown.value.tool
    if (waiting === null) {
      io.out('Nothing waits: it is what was accepted.')
      return done
    }
    const wanted = keep ? (accepted?.digest ?? null) : waiting.digest
    if (wanted === null) {
      tell(io, {
        message: 'There is nothing to keep: the tool is new.',
        remedy: 'without --keep the new one is accepted',
      })
      return ok(1)
    }
    if (digest === null && !keep) {
      if (!io.isInteractive) {
        tell(io, {
          message: 'Nothing was accepted.',
          remedy: `add --digest, as \`${CLI} tools diff\` shows it`,
        })
        return ok(2)
      }
      for (const { path, before, after } of shown.value.difference) {
        io.err(visible(path))
        if (before !== null) io.err(`  - ${visible(before)}`)
        if (after !== null) io.err(`  + ${visible(after)}`)
      }
      if (!/^y(?:es)?$/i.test((await io.ask('Accept this definition? [y/N] ')).trim())) {
        io.err('Nothing was accepted.')
        return ok(1)
      }
    }
    const answer = await client.acceptTool(server, tool, digest ?? wanted)
    if (!answer.ok) return answer
    io.out(keep ? 'Kept what was accepted.' : 'Accepted. Calls are judged by the policy alone again.')
    return done
  })
}
