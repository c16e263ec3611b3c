/** `grants list`, `grants show` and `grants revoke`. */
import { type GrantView, grantDetail, grantEnded, grantPage } from '../api/grant-schemas.ts'
import { CLI } from '../domain/command-line.ts'
import { visible } from '../domain/visible.ts'
import { createClient, createRequest } from './client.ts'
import type { ExitCode } from './io.ts'
import type { Parts } from './parts.ts'
import { localTime } from './render.ts'
import { done, printJson, withGateway } from './session.ts'
import { table } from './table.ts'
import { resolveTicket } from './ticket.ts'

/** A page of the API; older ones are history. */
const LISTED_MAX = 100
const anyStatus = ['pending', 'approved', 'executing', 'settled'] as const

export function listGrants(parts: Parts, { all, json }: { all: boolean; json: boolean }): Promise<ExitCode> {
  const { io } = parts
  return withGateway(parts, async (settings) => {
    const page = await createRequest(settings)(`/grants?limit=${LISTED_MAX}&all=${all}`, grantPage)
    if (!page.ok) return page
    const { grants, now } = page.value
    if (json) printJson(io, page.value)
    else if (grants.length === 0)
      io.out(all ? 'Nothing was ever granted.' : 'No grant stands: every call is decided by itself.')
    else for (const line of rows(grants, Date.parse(now))) io.out(line)
    return done
  })
}

export function showGrant(parts: Parts, typed: string, json: boolean): Promise<ExitCode> {
  const { io } = parts
  return withGateway(parts, async (settings) => {
    const id = await resolveTicket(createClient(settings), typed, anyStatus)
    if (!id.ok) return id
    const answer = await createRequest(settings)(`/grants/${id.value}`, grantDetail)
    if (!answer.ok) return answer
    const { grant, uses, now } = answer.value
    if (json) {
      printJson(io, answer.value)
      return done
    }
    for (const line of rows([grant], Date.parse(now))) io.out(line)
    io.out('')
    io.out(
      uses.length === 0
        ? 'It has covered no call yet.'
        : `It covered: ${uses.map((use) => visible(use)).join(', ')}`,
    )
    return done
  })
}

export function revokeGrant(
  parts: Parts,
  typed: string,
  { reason, json }: { reason: string | null; json: boolean },
): Promise<ExitCode> {
  const { io } = parts
  return withGateway(parts, async (settings) => {
    const id = await resolveTicket(createClient(settings), typed, anyStatus)
    if (!id.ok) return id
    const body = reason === null ? {} : { reason }
    const answer = await createRequest(settings)(`/grants/${id.value}/revoke`, grantEnded, body)
    if (!answer.ok) return answer
    const { grant } = answer.value
    if (json) printJson(io, grant)
    else {
      io.out(
        `${visible(grant.id)}  The grant is over: nothing begins under it any more. It covered ${usesOf(grant)}.`,
      )
      if (grant.used > 0) io.out(`What they were: ${CLI} grants show ${visible(grant.id)}`)
    }
    return done
  })
}

const usesOf = ({ used, usesMax }: GrantView) => `${used} of ${usesMax} calls`

function rows(grants: readonly GrantView[], nowMs: number): readonly string[] {
  const when = (text: string) => localTime(Date.parse(text), nowMs)
  const lines = table([
    ['GRANT', 'STATE', 'USED', 'BY', 'GIVEN', 'UNTIL'],
    ...grants.map((grant) => [
      ...[visible(grant.id), visible(grant.stateText), `${grant.used} of ${grant.usesMax}`],
      ...[visible(grant.by), when(grant.givenAt), when(grant.until)],
    ]),
  ])
  const [head = '', ...each] = lines
  // What it allows is a sentence, which no column holds.
  return [head, ...each.flatMap((line, at) => [line, `  ${visible(grants[at]?.text ?? '')}`])]
}
