/** `suggest`: rules that follow from what people decided, as a unified diff of the policy in force with the evidence. Never applied. */
import { createTwoFilesPatch } from 'diff'
import type { SuggestedView, SuggestionView } from '../api/suggestion-schemas.ts'
import { CLI } from '../domain/command-line.ts'
import { visible } from '../domain/visible.ts'
import type { Colours, ExitCode } from './io.ts'
import type { Parts } from './parts.ts'
import { createPolicyClient } from './policy-client.ts'
import { localTime } from './render.ts'
import { done, printJson, withGateway } from './session.ts'

export interface SuggestOptions {
  /** How far back, in milliseconds. */
  readonly spanMs: number
  readonly decisionsMin: number
  readonly peopleMin: number
  readonly json: boolean
}

export function suggestRules(
  parts: Parts,
  server: string,
  { json, ...wish }: SuggestOptions,
): Promise<ExitCode> {
  const { io } = parts
  return withGateway(parts, async (settings) => {
    const answer = await createPolicyClient(settings).suggest(server, wish)
    if (!answer.ok) return answer
    const diff = diffOf(answer.value)
    if (json) {
      const { text: _text, amended: _amended, ...told } = answer.value
      printJson(io, { ...told, diff: diff.join('\n') })
      return done
    }
    // The diff alone goes to stdout, for `patch` and for a file.
    for (const line of told(answer.value, wish, io.colours)) io.err(line)
    for (const line of diff) io.out(paint(visible(line), io.colours))
    if (diff.length > 0)
      io.err(
        `Nothing was changed. When you agree: patch the file, then ${CLI} simulate and ${CLI} policy apply.`,
      )
    return done
  })
}

function diffOf({ suggestions, source, text, amended }: SuggestedView): readonly string[] {
  if (suggestions.length === 0) return []
  const patch = createTwoFilesPatch(`a/${source}`, `b/${source}`, text, amended, undefined, undefined, {
    context: 3,
  })
  // Without the line that other tools than `patch` do not know.
  return patch
    .replace(/^={3,}\n/, '')
    .trimEnd()
    .split('\n')
}

function told(
  view: SuggestedView,
  { decisionsMin, peopleMin }: Pick<SuggestOptions, 'decisionsMin' | 'peopleMin'>,
  { bold, dim }: Colours,
): readonly string[] {
  const { server, revision, source, decisions, isMore, suggestions, left } = view
  const about = `${visible(server)}: ${decisions} decisions${isMore ? ' (the newest)' : ''}, policy ${visible(source)}, revision ${revision}`
  const none = [
    `Nothing to suggest: for a rule, at least ${decisionsMin} calls of one tool were decided alike, all of them, by at least ${peopleMin} people.`,
    'What an owner confirmed, what was edited, and calls that carry more than arguments do not count. Look further back with --since.',
  ]
  return [
    about,
    ...(suggestions.length + left.length === 0 ? none : []),
    ...suggestions.flatMap((one) => ['', bold(sentence(one)), ...evidence(one)]),
    ...left.flatMap((one) => ['', dim(`not suggested: ${sentence(one)}`), dim(`  ${visible(one.why)}`)]),
    '',
  ]
}

const sentence = ({ action, tool, when }: SuggestionView) =>
  `${action} ${visible(tool)}${when === null ? '' : ', under a condition'}`

function evidence({
  action,
  open,
  evidence: { decisions, people, agents, from, to, tickets },
}: SuggestionView) {
  const nowMs = Date.now()
  const when = (iso: string) => localTime(Date.parse(iso), nowMs)
  const who = people.map((one) => `${visible(one.person)} (${one.decisions})`).join(', ')
  const did = action === 'allow' ? 'approved' : 'rejected'
  return [
    `  ${did} ${decisions} of ${decisions} times by ${who}, ${when(from)} to ${when(to)}`,
    `  asked by ${agents.map(visible).join(', ')}; the newest: ${tickets.map(visible).join(' ')}`,
    ...(open.length === 0
      ? []
      : [`  NOT limited, because always different: ${open.map(visible).join(', ')}`]),
  ]
}

function paint(line: string, { red, green, dim }: Colours): string {
  if (line.startsWith('+')) return green(line)
  if (line.startsWith('-')) return red(line)
  return line.startsWith('@@') ? dim(line) : line
}
