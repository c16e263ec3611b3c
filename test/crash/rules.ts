/** What the policy of the crash tests asks for: who calls picks the rule by the note that goes along. */

export const notes = [
  'pay',
  'several people',
  'called again',
  'ends when gone',
  'runs alone',
  'grants',
  'counted',
  'judged anew',
] as const
export type Note = (typeof notes)[number]

/** After this a call with that note is called to mind. */
export const REMINDER_MS = 1_000
/** An agent that has not waited for so long is gone, where the rule says what happens then. */
export const RETURN_MS = 1_000

/** So many more calls are allowed with one yes, where the rule lets people say so. */
export const GRANTED_USES = 2

/** Longer than a trial's other deadlines where more has to happen before the end. */
const usual = `default: require_approval
rules:
  - name: several people
    tools: echo
    when: { path: args.note, eq: several people }
    action: require_approval
    approval: { stages: [{ groups: [ops], quorum: 2 }, { groups: [leads] }], timeout: 30s }
  - name: called again
    tools: echo
    when: { path: args.note, eq: called again }
    action: require_approval
    approval: { groups: [ops], reminders: [${REMINDER_MS}ms], timeout: 30s }
  - name: ends when gone
    tools: echo
    when: { path: args.note, eq: ends when gone }
    action: require_approval
    approval: { groups: [ops], on_client_gone: cancel, timeout: 30s }
  - name: runs alone
    tools: echo
    when: { path: args.note, eq: runs alone }
    action: require_approval
    approval: { groups: [ops], on_client_gone: execute, timeout: 30s }
  - name: grants
    tools: echo
    when: { path: args.note, eq: grants }
    action: require_approval
    approval: { groups: [ops], grants: { max_uses: ${GRANTED_USES}, max_duration: 1h, may_differ: [args.message] }, timeout: 10s }
  - name: counted
    tools: echo
    when: { path: args.note, eq: counted }
    action: require_approval
    approval: { groups: [ops], timeout: 30s }
    rate_limit: { max: 100000, window: 3600, per: global }
`

/** @param reason of the one rule that is another one with each */
export const policyText = (reason: string): string => `${usual}  - name: judged anew
    tools: echo
    when: { path: args.note, eq: judged anew }
    action: require_approval
    reason: ${reason}
    approval: { groups: [ops], timeout: 30s }
`
