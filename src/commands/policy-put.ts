/** `policy apply` and `rollback`: first the difference and what would become of the calls that wait, then a yes. */
import type { PolicyPreview, RevisionView, WishBody } from '../api/policy-schemas.ts'
import { CLI } from '../domain/command-line.ts'
import { ok, type Result } from '../domain/result.ts'
import { visible } from '../domain/visible.ts'
import type { ExitCode, Io } from './io.ts'
import type { Parts } from './parts.ts'
import { createPolicyClient, type PolicyClient } from './policy-client.ts'
import { diffLines } from './policy-read.ts'
import { readPolicyText } from './policy-text.ts'
import { printJson, withGateway } from './session.ts'
import type { Trouble } from './settings.ts'
import { shortSimulationLines } from './simulate.ts'
import { table } from './table.ts'

export interface PutOptions {
  readonly yes: boolean
  readonly json: boolean
}

export async function applyPolicy(
  parts: Parts,
  server: string,
  file: string,
  options: PutOptions,
): Promise<ExitCode> {
  const text = readPolicyText(parts.io, file)
  if (text === null) return 2
  return put(parts, server, { source: file, text }, options)
}

export const rollbackPolicy = (parts: Parts, server: string, number: number | null, options: PutOptions) =>
  put(parts, server, { rollback: number }, options)

async function put(parts: Parts, server: string, wish: WishBody, options: PutOptions): Promise<ExitCode> {
  const { io } = parts
  const { yes, json } = options
  return withGateway(parts, async (settings) => {
    const client = createPolicyClient(settings)
    const preview = await client.preview(server, wish)
    if (!preview.ok) return preview
    const { inForce } = preview.value
    // With --json, stdout holds the result alone; what is decided on is shown all the same.
    const show = json ? io.err : io.out
    const difference = await differenceOf(client, server, wish, inForce, io)
    if (!difference.ok) return difference
    for (const line of difference.value) show(line)
    for (const line of effectLines(preview.value)) show(line)
    if (!yes && !io.isInteractive) {
      io.err('Nothing was changed: nobody can be asked here, since there is no terminal. Add --yes.')
      return ok(2)
    }
    if (!yes && !/^y(es)?$/i.test((await io.ask(`Put it in force for ${server}? [y/N] `)).trim())) {
      io.err('Nothing was changed.')
      return ok(1)
    }
    const done = await client.put(server, wish, inForce)
    if (!done.ok) return done
    const { number } = done.value
    if (json) printJson(io, { server, number, effects: preview.value.effects, recent: preview.value.recent })
    else {
      io.out(`Revision ${number} of the policy of ${visible(server)} is in force.`)
      if (inForce !== null) io.out(`Back again: ${CLI} policy rollback ${server} ${inForce}`)
    }
    return ok(0)
  })
}

async function differenceOf(
  client: PolicyClient,
  server: string,
  wish: WishBody,
  inForce: number | null,
  { colours }: Io,
): Promise<Result<readonly string[], Trouble>> {
  if (inForce === null) return ok([`Nothing is in force for ${visible(server)} yet.`])
  const before = await client.show(server, inForce)
  if (!before.ok) return before
  const after = await wished(client, server, wish, before.value)
  return after.ok ? ok(diffLines(before.value, after.value, colours)) : after
}

async function wished(
  client: PolicyClient,
  server: string,
  wish: WishBody,
  inForce: RevisionView,
): Promise<Result<Pick<RevisionView, 'text' | 'approvers' | 'source'> & { number: number | null }, Trouble>> {
  if ('text' in wish) return ok({ ...wish, approvers: inForce.approvers, number: null })
  return client.show(server, wish.rollback ?? inForce.number - 1)
}

const words: Readonly<Record<PolicyPreview['effects'][number]['becomes'], string>> = {
  kept: 'stays as it is',
  no_longer_asked: 'stays (such calls would pass from now on)',
  asked_again: 'people are asked again',
  forbidden: 'void: forbidden',
}

function effectLines({ effects, isMore, recent }: PolicyPreview): readonly string[] {
  const past = recent === null ? ['The decision log cannot be read now.'] : shortSimulationLines(recent)
  if (effects.length === 0) return ['', 'No call waits on this server.', ...past, '']
  const rows = effects.map(({ id, tool, requester, status, becomes, why }) => [
    ...[visible(id), status, visible(tool), visible(requester)],
    `${words[becomes]}${why === null ? '' : ` (${visible(why)})`}`,
  ])
  return [
    '',
    `Calls that wait now: ${effects.length}${isMore ? ' of more, the newest ones' : ''}`,
    ...table([['TICKET', 'STATE', 'TOOL', 'ASKED BY', 'WHAT BECOMES OF IT'], ...rows]),
    ...['', ...past, ''],
  ]
}
