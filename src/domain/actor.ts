/** Who did something to an approval where it was no person: a rule of the policy. No person's id holds a colon. */
import { visible } from './visible.ts'

const RULE = 'rule:'

/** @param rule its source and JSON Pointer */
export const ruleActor = (rule: string): string => `${RULE}${rule}`

export const isRuleActor = (by: string): boolean => by.startsWith(RULE)

/** As people read it. */
export const actorText = (by: string): string =>
  isRuleActor(by) ? `the rule ${visible(by.slice(RULE.length))}` : visible(by)
