/** `policy list`, `show` and `diff`. */
import { createTwoFilesPatch } from 'diff'
import type { RevisionRow, RevisionView } from '../api/policy-schemas.ts'
import { shortDigest } from '../domain/canonical.ts'
import { approversWords } from '../domain/judgement.ts'
import { ok } from '../domain/result.ts'
import { putByText } from '../domain/revision.ts'
import { visible } from '../domain/visible.ts'
import type { Colours, ExitCode } from './io.ts'
import type { Parts } from './parts.ts'
import { createPolicyClient } from './policy-client.ts'
import { localTime } from './render.ts'
import { done, printJson, withGateway } from './session.ts'
import { table } from './table.ts'

export function listRevisions(parts: Parts, server: string, json: boolean): Promise<ExitCode> {
  const { io } = parts
  return withGateway(parts, async (settings) => {
    const client = createPolicyClient(settings)
    const revisions: RevisionRow[] = []
    let before: number | null = null
    do {
      const page = await client.list(server, before)
      if (!page.ok) return page
      revisions.push(...page.value.revisions)
      before = page.value.next
    } while (before !== null)
    if (json) printJson(io, { revisions })
    else if (revisions.length === 0) io.out(`Nothing was ever in force for ${visible(server)}.`)
    else for (const line of rows(revisions)) io.out(line)
    return done
  })
}

function rows(revisions: readonly RevisionRow[]): readonly string[] {
  const nowMs = Date.now()
  return table([
    ['', 'REVISION', 'PUT IN FORCE', 'BY', 'SOURCE', 'DIGEST', 'APPROVERS'],
    ...revisions.map(({ number, putAt, putBy, source, digest, approvers }, index) => [
      index === 0 ? 'in force' : '',
      String(number),
      localTime(Date.parse(putAt), nowMs),
      visible(putByText(putBy)),
      visible(source),
      shortDigest(digest),
      visible(approversWords(approvers)),
    ]),
  ])
}

export function showRevision(
  parts: Parts,
  server: string,
  number: number | null,
  json: boolean,
): Promise<ExitCode> {
  const { io } = parts
  return withGateway(parts, async (settings) => {
    const shown = await createPolicyClient(settings).show(server, number)
    if (!shown.ok) return shown
    if (json) printJson(io, shown.value)
    else {
      const { dim } = io.colours
      for (const line of headLines(shown.value)) io.err(dim(line))
      for (const line of linesOf(shown.value.text)) io.out(visible(line))
    }
    return done
  })
}

/** About the text, so that the text alone can go into a file. */
function headLines({ server, number, source, digest, putBy, putAt, approvers }: RevisionView): string[] {
  return [
    `# revision ${number} of ${visible(server)}: ${visible(source)}, SHA-256 ${digest}`,
    `# put in force by ${visible(putByText(putBy))}, ${localTime(Date.parse(putAt), Date.now())}`,
    `# approvers: ${visible(approversWords(approvers))}`,
  ]
}

const linesOf = (text: string | null) =>
  text === null
    ? ['# no policy: its calls are refused until one is accepted']
    : text.replace(/\n$/, '').split('\n')

export function diffRevisions(
  parts: Parts,
  server: string,
  from: number,
  to: number | null,
): Promise<ExitCode> {
  const { io } = parts
  return withGateway(parts, async (settings) => {
    const client = createPolicyClient(settings)
    const before = await client.show(server, from)
    if (!before.ok) return before
    const after = await client.show(server, to)
    if (!after.ok) return after
    for (const line of diffLines(before.value, after.value, io.colours)) io.out(line)
    return ok(0)
  })
}

export function diffLines(
  before: Pick<RevisionView, 'text' | 'approvers' | 'source' | 'number'>,
  after: Pick<RevisionView, 'text' | 'approvers' | 'source'> & { readonly number: number | null },
  { green, red, dim }: Colours,
): string[] {
  const name = ({ number, source }: { number: number | null; source: string }) =>
    `${source} (${number === null ? 'not in force' : `revision ${number}`})`
  const patch = createTwoFilesPatch(name(before), name(after), before.text ?? '', after.text ?? '', '', '', {
    context: 3,
  })
  const [was, is] = [approversWords(before.approvers), approversWords(after.approvers)]
  const lines = patch.split('\n').slice(1, -1)
  const coloured = lines.map((line) => {
    const text = visible(line)
    if (line.startsWith('+')) return green(text)
    return line.startsWith('-') ? red(text) : line.startsWith('@@') ? dim(text) : text
  })
  return [...coloured, ...(was === is ? [] : [`Approvers: ${visible(was)} → ${visible(is)}`])]
}
