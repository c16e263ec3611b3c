/**
 * The message about a server without a policy: what its tools are, what the proposal would do, and where to look at it and accept
 * it. No button accepts here: a proposal has a line for each tool, is read once in the life of a server, and decides about all its
 * later calls, so it belongs where all of it stands on one page, beside the way to change it first.
 */
import { CLI } from '../../domain/command-line.ts'
import { riskWords } from '../../domain/present.ts'
import { risks } from '../../domain/risk.ts'
import type { Proposal, Treatment } from '../../domain/set-up.ts'
import { visible } from '../../domain/visible.ts'
import type { SetUpShowing } from '../../ports/channels.ts'
import { actions, type Block, button, context, header, instantMark, type Line, lines } from './blocks.ts'
import { cut, escaped } from './text.ts'

export interface SetUpCard {
  /** For push notifications. */
  readonly text: string
  readonly blocks: readonly Block[]
}

/** The worst of what would be asked about; the page has all of them. */
const NAMED_MAX = 5
const NAME_MAX = 80
const WHY_MAX = 160
const PROBLEM_MAX = 500

export function setUpCardOf(showing: SetUpShowing, publicUrl: URL | null): SetUpCard {
  const name = cut(visible(showing.server), NAME_MAX).text
  if (showing.kind === 'set_up') {
    const { number, by, atMs } = showing
    const title = `${name} is set up`
    const said = `revision ${number} is in force (${cut(by, 200).text}), since ${instantMark(atMs)}`
    return {
      text: escaped(title),
      blocks: [header(title), lines([{ label: 'Policy', text: said }])],
    }
  }
  const title = `Set up ${name}`
  const { proposal, problem } = showing
  const refused = 'Nobody has accepted a policy for this server, so all its calls are refused.'
  const about = proposal === null ? unknown(problem) : aboutTools(proposal)
  return {
    text: escaped(`${title}: its calls are refused until somebody accepts a policy`),
    blocks: [
      header(title),
      lines([{ label: '', text: refused }, ...about]),
      context(proposal === null ? ownText : whereText(showing.server, publicUrl)),
      ...(publicUrl === null ? [] : [actions([consoleButton(publicUrl, showing.server)])]),
    ],
  }
}

function unknown(problem: string | null): readonly Line[] {
  const why = problem === null ? 'the gateway is asking' : cut(visible(problem), PROBLEM_MAX).text
  return [{ label: 'Tools', text: `not known yet: ${why}` }]
}

const treatments: Readonly<Record<Treatment, string>> = {
  hide: 'hidden',
  deny: 'refused',
  ask: 'ask a person',
  allow: 'pass',
}

function aboutTools({ tools, digest }: Proposal): readonly Line[] {
  const byRisk = risks.toReversed().flatMap((risk) =>
    counted(
      tools.filter((tool) => tool.risk === risk),
      riskWords[risk],
    ),
  )
  const byAnswer = (['hide', 'deny', 'ask', 'allow'] as const).flatMap((gets) =>
    counted(
      tools.filter((tool) => tool.gets === gets),
      treatments[gets],
    ),
  )
  const worst = tools
    .filter(({ gets }) => gets !== 'allow')
    .toSorted((a, b) => risks.indexOf(b.risk) - risks.indexOf(a.risk))
  const named = worst.slice(0, NAMED_MAX).map(({ tool, why }) => ({
    label: cut(visible(tool), NAME_MAX).text,
    text: cut(visible(why), WHY_MAX).text,
  }))
  const left = worst.length - named.length
  return [
    { label: 'Tools', text: `${tools.length}: ${byRisk.join(', ')}` },
    { label: 'Proposed', text: `${byAnswer.join(', ')}; a tool that appears later is asked about` },
    ...named,
    ...(left > 0 ? [{ label: 'And', text: `${left} more that do not simply pass` }] : []),
    { label: 'Proposal', text: digest.slice(0, 12) },
  ]
}

const counted = (some: readonly unknown[], word: string): readonly string[] =>
  some.length === 0 ? [] : [`${some.length} ${word.toLowerCase()}`]

const ownText = `Without a proposal operators can put a policy of their own in force: ${CLI} policy apply <file> --server <name>.`

function whereText(server: string, publicUrl: URL | null): string {
  const command = `with ${CLI} set-up ${cut(visible(server), NAME_MAX).text}`
  const where = publicUrl === null ? command : `in the console, or ${command}`
  return `Operators accept it ${where}; what is proposed stands there as a whole.`
}

const consoleButton = (publicUrl: URL, server: string) =>
  button({
    id: 'open-console',
    text: 'Look at it in the console',
    value: cut(server, 200).text,
    url: `${publicUrl.href.replace(/\/+$/, '')}/set-up/${encodeURIComponent(server)}`,
  })
