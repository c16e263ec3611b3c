/** How far several yeses have come, and whom they wait for, in the same words for people and agents. */
import type { Vote } from './approval.ts'
import type { Stage } from './policy/rule.ts'
import { progressOf, type Turn } from './quorum.ts'
import { visible } from './visible.ts'

/** `1 of 2 approved (mina); waiting for one more of payments-leads.` `null`: one yes decides. */
export function progressText(stages: readonly Stage[], votes: readonly Vote[]): string | null {
  const progress = progressOf(stages, votes)
  if (progress === null) return null
  const { stage, said, wanted, missing, asks } = progress
  const of = stages.length === 1 ? '' : `Stage ${stage + 1} of ${stages.length}: `
  const names = said.length === 0 ? '' : ` (${said.map((name) => visible(name)).join(', ')})`
  const more = said.length === 0 ? numberText(missing) : `${numberText(missing)} more`
  const then = stages.slice(stage + 1).map((next) => `then ${stageText(next)}`)
  const next = then.length === 0 ? '' : `; ${then.join(', ')}`
  return `${of}${said.length} of ${wanted} approved${names}; waiting for ${more} of ${whoText(asks)}${next}.`
}

/** `2 of payments-leads, then 1 of security or mina` */
export const stagesText = (stages: readonly Stage[]): string => stages.map(stageText).join(', then ')

const stageText = (stage: Stage) => `${stage.quorum} of ${whoText(stage)}`

export const whoText = ({ groups, people }: Pick<Stage, 'groups' | 'people'>): string =>
  [...groups, ...people].map((name) => visible(name)).join(' or ')

const numbers = ['none', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine']
const numberText = (count: number) => numbers[count] ?? String(count)

/** `mina`, `mina and lee`, `mina, lee and park` */
export function namesText(names: readonly string[]): string {
  const shown = names.map((name) => visible(name))
  const last = shown.pop()
  return shown.length === 0 ? (last ?? 'nobody') : `${shown.join(', ')} and ${last}`
}

/** Why a yes would not count now, and when it would. */
export function turnText(
  turn: Exclude<Turn, { kind: 'counts' }>,
  stages: readonly Stage[],
  votes: readonly Vote[],
): string {
  const now = progressText(stages, votes) ?? ''
  switch (turn.kind) {
    case 'said':
      return `You have said yes already, and nobody counts twice. ${now}`
    case 'not_yet':
      return `It is not your turn yet. ${now}`
    case 'not_needed':
      return `Your yes is not needed any more: all that your stage asks for are there. ${now}`
    case 'kept': {
      const later = stages[turn.stage]
      const of = later === undefined ? '' : ` (${stageText(later)})`
      return `Your yes is needed in stage ${turn.stage + 1}${of}, which could not be completed without you, and nobody counts twice: somebody else has to say this one. ${now}`
    }
  }
}
