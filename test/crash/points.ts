/**
 * Every step at which a process can die or stand still, with what it leaves behind and who goes on. `before`: nothing of
 * the step has happened; `after`: it has, and nobody has heard of it yet.
 */

/** What has to happen around a point so that it is passed. */
export type Scenario =
  /** Calls are approved and denied, by Slack and REST. */
  | 'decisions'
  /** The server takes a while to answer. */
  | 'slow server'
  /** One call is asked twice at the same time, on two gateways. */
  | 'repeats'
  /** One call is asked for again on both gateways while the server is at work on it. */
  | 'repeats of what runs'
  | 'nobody decides'
  /** The agent is gone for good when its call is approved. */
  | 'agent leaves'
  | 'withdrawn'
  /** The server changes the tool while a call waits. */
  | 'tool changes'
  /** The server is away when calls are approved, and comes back. */
  | 'server away'
  /** The gateway that sends is killed by the harness; somebody else notes it. */
  | 'sender dies'
  /** Slack refuses a card once. */
  | 'Slack refuses'
  /** Two people have to say yes, and then another one. */
  | 'several people'
  /** Somebody changes the arguments, and approves what has become of them. */
  | 'edits'
  /** Somebody moves the deadline, and decides later. */
  | 'more time'
  /** Calls are tasks, which are polled and withdrawn. */
  | 'tasks'
  /** The agent is gone, and the rule withdraws its call then. */
  | 'ends when gone'
  /** An operator stops an agent, and lifts that again. */
  | 'kill switch'
  /** Nobody decides until people have been called again. */
  | 'called again'
  /** Somebody says yes and takes it back, before several do. */
  | 'second thoughts'
  /** The policy changes while calls wait. */
  | 'another rule'
  /** A yes allows a few more calls, until it is taken back. */
  | 'grants'
  /** A limit counts the calls. */
  | 'counted'
  /** The agent is gone, and the rule lets a gateway run its call then. */
  | 'runs alone'
  /** The server is away until an approved call may not begin any more. */
  | 'server stays away'
  /** The gateway that sends stands still until somebody else has noted that; then it finds the answer. */
  | 'late answer'
  /** Nobody knows the end: people say what they found, or ask again. */
  | 'people find out'
  /** The server breaks the connection after it has acted. */
  | 'server breaks off'

export interface CrashPoint {
  readonly name: string
  /** Where it is the step of another point, under other circumstances. */
  readonly step?: string
  /** Groups of *If this dies here*. */
  readonly group: 'asking' | 'waiting' | 'deciding' | 'sending' | 'ending' | 'cards' | 'background'
  readonly scenario: Scenario
  /** What is there when the process is gone. */
  readonly remains: string
  readonly goesOn: string
}

const point = (
  group: CrashPoint['group'],
  name: string,
  scenario: Scenario,
  remains: string,
  goesOn: string,
): CrashPoint => ({ group, name, scenario, remains, goesOn })

const repeats = 'the agent, by calling again on any gateway'
const anyLoop = 'the loop of any process'
const reconciler = 'whoever draws cards: the reconciler finds what is not true'

export const points: readonly CrashPoint[] = [
  point('asking', 'look at the tool: before', 'decisions', 'nothing', repeats),
  point('asking', 'look at the tool: after', 'decisions', 'nothing', repeats),
  point('asking', 'ask: before', 'decisions', 'nothing', repeats),
  point(
    'asking',
    'ask: after',
    'decisions',
    'a pending record nobody has heard of',
    `${repeats}; the card follows`,
  ),
  point('asking', 'attach: after', 'repeats', 'the pending record of the first request', repeats),
  {
    ...point(
      'asking',
      'attach to what runs: after',
      'repeats of what runs',
      'a claim; the server is working',
      `${repeats}: it gets the outcome, and nothing runs twice`,
    ),
    step: 'attach: after',
  },
  {
    ...point(
      'asking',
      'task asked: after',
      'tasks',
      'a pending record whose task nobody has heard of',
      'the agent, by calling again: it is the same task',
    ),
    step: 'ask: after',
  },
  point('asking', 'alarm: before', 'decisions', 'the saved state without its alarm', anyLoop),
  point('asking', 'alarm: after', 'decisions', 'the saved state and its alarm, no card ordered', reconciler),
  point('asking', 'delivery job: before', 'decisions', 'the saved state, no card ordered', reconciler),
  point(
    'asking',
    'delivery job: after',
    'decisions',
    'the saved state, waiters not woken',
    `${anyLoop} wakes them`,
  ),
  point(
    'asking',
    'wake-up: before',
    'decisions',
    'the saved state, waiters not woken',
    `${anyLoop} wakes them`,
  ),
  point(
    'asking',
    'wake-up: after',
    'decisions',
    'the saved state; everybody else was told',
    'everybody else',
  ),

  point('waiting', 'waiter added: before', 'decisions', 'a record without a waiter', repeats),
  point(
    'waiting',
    'waiter added: after',
    'decisions',
    'a waiter of a dead node',
    'its lease lapses; then as without it',
  ),
  point(
    'waiting',
    'waiter removed: before',
    'decisions',
    'an outcome told, and a waiter too many',
    'its lease lapses',
  ),
  point(
    'waiting',
    'delivery noted: before',
    'decisions',
    'an outcome told, not noted as told',
    'a repeat is told it again',
  ),
  point(
    'waiting',
    'delivery noted: after',
    'decisions',
    'an outcome told and noted',
    'a repeat is told it for a while',
  ),

  point(
    'waiting',
    'reminder due: after',
    'called again',
    'the reminder in the record, nobody called',
    'whoever posts reminders finds what nobody has taken',
  ),
  point(
    'waiting',
    'reminder taken: after',
    'called again',
    'the right to post it, used up',
    'nobody: it stays unsaid, and the card stays',
  ),
  point(
    'waiting',
    'reminder posted: after',
    'called again',
    'a reminder, not noted as posted',
    'nobody: it is not said twice',
  ),

  point(
    'deciding',
    'decision: before',
    'decisions',
    'a pending record',
    'the approver, who saw no answer, decides again',
  ),
  point(
    'deciding',
    'decision: after',
    'decisions',
    'an approved record, nobody told',
    'any gateway with a waiter',
  ),
  point(
    'deciding',
    'vote: after',
    'several people',
    'a pending record with one yes more',
    'the others, who are still missing',
  ),
  point(
    'deciding',
    'stage passed: after',
    'several people',
    'a pending record that asks the next people; nobody told them',
    'whoever draws cards and posts reminders',
  ),
  point(
    'deciding',
    'yes taken back: after',
    'second thoughts',
    'a pending record with one yes less',
    'the others, who are still missing',
  ),
  point(
    'deciding',
    'edit: after',
    'edits',
    'a pending record with other arguments',
    'the approver looks again, and decides about those',
  ),
  point(
    'deciding',
    'extension: after',
    'more time',
    'a pending record with a later deadline',
    'an earlier alarm finds that nothing is due',
  ),
  point(
    'deciding',
    'asked anew: before',
    'another rule',
    'a pending record judged by an earlier revision',
    'the loop of any gateway',
  ),
  point(
    'deciding',
    'asked anew: after',
    'another rule',
    'a void record and its successor; nobody told',
    'held requests follow to the successor; the card is drawn by the reconciler',
  ),
  point(
    'deciding',
    'grant given: after',
    'grants',
    'an approved record and the grant, nobody told',
    'any gateway with a waiter',
  ),
  point(
    'deciding',
    'grant used: before',
    'grants',
    'a pending record that a grant covers',
    'people are asked, or the agent calls again',
  ),
  point(
    'deciding',
    'grant used: after',
    'grants',
    'an approved record, counted under the grant; nobody told',
    'any gateway with a waiter',
  ),
  point(
    'deciding',
    'grant ended: after',
    'grants',
    'a grant that is over, nobody told',
    'nothing is left to do: nothing begins under it',
  ),
  point('deciding', 'rejected: before', 'decisions', 'a pending record', 'the approver decides again'),
  point(
    'deciding',
    'rejected: after',
    'decisions',
    'a settled record, nobody told',
    'held requests look by themselves',
  ),
  point('deciding', 'cancelled: before', 'withdrawn', 'a pending record', 'the operator withdraws it again'),
  point(
    'deciding',
    'cancelled: after',
    'withdrawn',
    'a settled record, nobody told',
    'held requests look by themselves',
  ),
  point(
    'deciding',
    'task withdrawn: after',
    'tasks',
    'a settled record, nobody told',
    'the agent, by its next poll at any gateway',
  ),
  point(
    'deciding',
    'stopped: before',
    'kill switch',
    'a stop in force and a pending record',
    'the loop of any gateway; nothing of it can run meanwhile',
  ),
  point(
    'deciding',
    'stopped: after',
    'kill switch',
    'a settled record, nobody told',
    'held requests look by themselves; the others are withdrawn by any gateway',
  ),
  point(
    'deciding',
    'execution job: before',
    'decisions',
    'an approved record without a job',
    'held requests look by themselves',
  ),
  point(
    'deciding',
    'execution job: after',
    'decisions',
    'an approved record and its job',
    'any gateway with a waiter',
  ),

  point('sending', 'turn: before', 'decisions', 'an approved record', 'the next gateway with a waiter'),
  point('sending', 'pre-flight: before', 'decisions', 'an approved record', 'the next gateway with a waiter'),
  point('sending', 'pre-flight: after', 'decisions', 'an approved record', 'the next gateway with a waiter'),
  point(
    'sending',
    'postponement: after',
    'server away',
    'an approved record and why it was not sent',
    'the next gateway with a waiter',
  ),
  point(
    'sending',
    'counted: before',
    'counted',
    'an approved record, not counted',
    'the next gateway with a waiter',
  ),
  point(
    'sending',
    'counted: after',
    'counted',
    'an approved record, counted once too often',
    'the next gateway with a waiter counts it again: a limit comes too early, never too late',
  ),
  point(
    'sending',
    'pre-flight alone: before',
    'runs alone',
    'an approved record whose agent is gone',
    'the loop of any gateway',
  ),
  point(
    'sending',
    'first byte alone: now',
    'runs alone',
    'a claim; the request may be on its way',
    `${anyLoop} says that nobody knows`,
  ),
  point(
    'sending',
    'send alone: after',
    'runs alone',
    'a claim; the answer was read and is lost',
    `${anyLoop} says that nobody knows`,
  ),
  point('sending', 'claim: before', 'decisions', 'an approved record', 'the next gateway with a waiter'),
  point(
    'sending',
    'claim: after',
    'decisions',
    'a claim, nothing sent',
    `nobody sends it; ${anyLoop} says that nobody knows`,
  ),
  point(
    'sending',
    'send: before',
    'decisions',
    'a claim, nothing sent',
    `nobody sends it; ${anyLoop} says that nobody knows`,
  ),
  point(
    'sending',
    'first byte: before',
    'decisions',
    'a claim and a connection',
    `nobody sends it; ${anyLoop} says that nobody knows`,
  ),
  point(
    'sending',
    'first byte: now',
    'decisions',
    'a claim; the request may be on its way',
    `${anyLoop} says that nobody knows`,
  ),
  point(
    'sending',
    'first byte: after',
    'slow server',
    'a claim; the server is working',
    `${anyLoop} says that nobody knows`,
  ),
  point(
    'sending',
    'send: after',
    'decisions',
    'a claim; the answer was read and is lost',
    `${anyLoop} says that nobody knows`,
  ),

  point(
    'ending',
    'answered: before',
    'decisions',
    'a claim; the answer was read and is lost',
    `${anyLoop} says that nobody knows`,
  ),
  point(
    'ending',
    'answered: after',
    'decisions',
    'the outcome, nobody told',
    'a repeat is told it, on any gateway',
  ),
  point('ending', 'expired: before', 'nobody decides', 'a pending record beyond its time', anyLoop),
  point(
    'ending',
    'expired: after',
    'nobody decides',
    'the outcome, nobody told',
    'held requests look by themselves',
  ),
  point('ending', 'lapsed: before', 'agent leaves', 'an approved record beyond its time', anyLoop),
  point(
    'ending',
    'lapsed: after',
    'agent leaves',
    'the outcome, nobody told',
    'cards follow; the agent can read it',
  ),
  point(
    'ending',
    'invalidated: before',
    'tool changes',
    'an approved record for a tool that is no more',
    'the next gateway with a waiter',
  ),
  point(
    'ending',
    'invalidated: after',
    'tool changes',
    'the outcome, nobody told',
    'held requests look by themselves',
  ),
  point(
    'ending',
    'not_sent: before',
    'server stays away',
    'an approved record beyond its time, and why it was not sent',
    anyLoop,
  ),
  point(
    'ending',
    'not_sent: after',
    'server stays away',
    'the outcome, nobody told',
    'held requests look by themselves',
  ),
  point(
    'ending',
    'withdrawn as gone: before',
    'ends when gone',
    'a pending record nobody waits for',
    'the loop of any gateway',
  ),
  point(
    'ending',
    'withdrawn as gone: after',
    'ends when gone',
    'the outcome, nobody told',
    'cards follow; the agent can read it',
  ),
  point('ending', 'indeterminate: before', 'sender dies', 'a claim of a dead gateway', anyLoop),
  point(
    'ending',
    'indeterminate: after',
    'sender dies',
    'the outcome, nobody told',
    'held requests look by themselves',
  ),
  point(
    'ending',
    'late answer kept: before',
    'late answer',
    'the outcome; the answer was read and is lost',
    'nobody: people find out without it',
  ),
  point(
    'ending',
    'late answer kept: after',
    'late answer',
    'the outcome, and the answer beside it, not in its record',
    'people find it with the outcome',
  ),
  point(
    'ending',
    'finding: before',
    'people find out',
    'an end that nobody knows',
    'whoever looked says it again',
  ),
  point('ending', 'finding: after', 'people find out', 'what was found, nobody told', 'a repeat is told it'),
  point(
    'ending',
    'asked again: before',
    'people find out',
    'an end that nobody knows',
    'whoever asked asks again',
  ),
  point(
    'ending',
    'asked again: after',
    'people find out',
    'the end and the new call; nobody told',
    'the card is drawn by the reconciler',
  ),

  point('cards', 'card taken: after', 'decisions', 'the right to draw, until it lapses', reconciler),
  point('cards', 'card posted: before', 'decisions', 'the right to draw, until it lapses', reconciler),
  point(
    'cards',
    'card posted: after',
    'decisions',
    'a card the ledger does not know',
    'a second card; the first decides nothing',
  ),
  point('cards', 'card changed: after', 'decisions', 'a true card, noted as older', reconciler),
  point('cards', 'card noted: after', 'decisions', 'a true card', 'nothing is left to do'),
  point('cards', 'card given back: after', 'Slack refuses', 'no card yet, and why', reconciler),

  point(
    'background',
    'lease: before',
    'decisions',
    'a lease that lapses',
    'the gateway is taken for dead; others go on',
  ),
  point(
    'background',
    'lease: after',
    'decisions',
    'a lease that lapses',
    'the gateway is taken for dead; others go on',
  ),
  point('background', 'watch: before', 'decisions', 'what was due still is', 'the loop of any other process'),
  point(
    'background',
    'seal: before',
    'decisions',
    'audit events not sealed yet',
    'the sealer of any gateway',
  ),
]
