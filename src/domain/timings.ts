/** Every duration the lifecycle depends on, in milliseconds, each with its reason. All can be set in `holdpoint.yaml`. */

export interface Timings {
  /** A person has this long to decide. Long enough for a meeting, short enough that a forgotten card dies the same day. */
  readonly decisionMs: number
  /** However often its deadline is moved, nobody decides about a call that is older than this: a week has a Monday in it. */
  readonly decisionMaxMs: number
  /** An approved call must begin within this time: an old "yes" describes a world that has moved on. */
  readonly startByMs: number
  /** After a rejection the same call is refused for this long, so that an agent cannot wear people down. */
  readonly coolDownMs: number
  /** An outcome nobody has collected waits this long for its requester. */
  readonly keepOutcomeMs: number
  /** An outcome stays readable this long after a stream that carried it was closed: nobody can know what a client has read. */
  readonly replayMs: number
  /** A call is held open this long before the client is told to come back: under the 60 s that most SDK clients wait. */
  readonly holdMs: number
  /**
   * Nobody has waited for a call for this long: its agent is gone. A cut stream comes back within seconds, a task's polls may be
   * three intervals late, and a model that was told to wait on takes a while to say so.
   */
  readonly returnMs: number
  /** SSE comments keep proxies and idle timers (undici 300 s, load balancers 30 to 60 s) from cutting a held stream. */
  readonly commentMs: number
  /** Progress notifications tell the agent's user that someone was asked. */
  readonly progressMs: number
  /** A gateway that has not renewed its lease for this long is taken for dead. */
  readonly nodeLeaseMs: number
  /** An upstream that is silent for this long after the send has not answered. Long tools report progress, which counts. */
  readonly replyIdleMs: number
  /** Behind all wake-ups: how often every process looks for what is due. */
  readonly loopMs: number
  /** Clients are asked to poll a task this often: soon enough for people who wait, seldom enough for thousands of tasks. */
  readonly pollMs: number
  /** A session at a server of ours (a process behind a pipe) without traffic and open streams for this long was forgotten by its client. */
  readonly sessionIdleMs: number
  /**
   * A server that no gateway has had for so long was taken away, and its calls end: people should not decide about what nobody
   * can run. A restart, a broken file that somebody mends, and a machine that is replaced take less. As long as a yes is good.
   */
  readonly unservedMs: number
  /** Lines of the decision log are kept this long: two whole weeks, so that a new policy is tried on weekdays and weekends. */
  readonly keepDecisionsMs: number
}

const seconds = 1_000
const minutes = 60 * seconds
const hours = 60 * minutes
const days = 24 * hours

/** A deadline is moved by at least this much; less helps nobody and would be written thousands of times. */
export const EXTENSION_MIN_MS = 1 * minutes

/**
 * A gateway that has said nothing for so long, and no goodbye either, has died with the requests that it held. Until then it may
 * only have lost the database, and its clients wait at it all the while. Nothing runs for whoever may be gone, so that being
 * wrong costs a card that stands too long.
 */
export const UNHEARD_MS = 15 * minutes

export const defaultTimings: Timings = {
  decisionMs: 4 * hours,
  decisionMaxMs: 7 * days,
  startByMs: 1 * hours,
  coolDownMs: 10 * minutes,
  keepOutcomeMs: 24 * hours,
  replayMs: 60 * seconds,
  holdMs: 50 * seconds,
  returnMs: 60 * seconds,
  commentMs: 15 * seconds,
  progressMs: 30 * seconds,
  nodeLeaseMs: 10 * seconds,
  replyIdleMs: 15 * minutes,
  loopMs: 2 * seconds,
  pollMs: 5 * seconds,
  sessionIdleMs: 30 * minutes,
  unservedMs: 1 * hours,
  keepDecisionsMs: 14 * days,
}

/** Promised to agents: a new critical call is refused within this time of being asked while the ledger is away. */
export const REFUSED_WITHIN_MS = 1 * seconds

/**
 * How the ledger's silence is noticed in that time. A call that is asked in the very moment in which the ledger stops answering waits
 * for the next question, then until that has been open for `silentMs`, counted at each further question's turn, then for a look.
 */
export const ledgerPulse = {
  /** How often it is asked. A tiny query, on a connection that is open anyway. */
  askMs: 150,
  /** A question that has no answer so long after it usually has: the server stands still, or the way to it is cut. */
  silentMs: 600,
  /** What a client asked for is given this long before the silence counts. */
  patienceMs: 700,
  /** Whoever waits looks this often. */
  lookMs: 50,
} as const
