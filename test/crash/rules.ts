/** What the policy of the crash tests asks for: who calls picks the rule by the note that goes along. */

export const notes = ['pay', 'several people', 'called again', 'ends when gone'] as const
export type Note = (typeof notes)[number]

/** After this a call with that note is called to mind. */
export const REMINDER_MS = 1_000
/** An agent that has not waited for so long is gone, where the rule says what happens then. */
export const RETURN_MS = 1_000

/** Longer than a trial's other deadlines where more has to happen before the end. */
export const policyText = `default: require_approval
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
`
