/**
 * Slack's Web API with our own patience: a few seconds, and no retries inside. A repeated post would be a second card;
 * whoever asked tries again with the state that is true by then.
 */
import { type Logger, LogLevel, webApi } from '@slack/bolt'
import type { Log } from '../../ports/log.ts'

export interface SlackAccess {
  readonly botToken: string
  /** `null`: Slack's own. */
  readonly apiUrl: string | null
}

const TIMEOUT_MS = 5_000
/** For what a person who has just clicked waits for: Slack gives an app three seconds. */
export const CLICK_TIMEOUT_MS = 1_500

export const clientOptions = (
  apiUrl: string | null,
  log: Log,
  timeout = TIMEOUT_MS,
): webApi.WebClientOptions => ({
  ...(apiUrl === null ? {} : { slackApiUrl: apiUrl }),
  timeout,
  retryConfig: { retries: 0 },
  rejectRateLimitedCalls: true,
  // A call names its method; an absolute address there would carry the token elsewhere.
  allowAbsoluteUrls: false,
  logger: quietLogger(log),
})

export const createSlackClient = (access: SlackAccess, log: Log, timeout = TIMEOUT_MS): webApi.WebClient =>
  new webApi.WebClient(access.botToken, clientOptions(access.apiUrl, log, timeout))

/** Slack's libraries log whole messages at their lower levels: arguments and tokens. Only warnings and errors come through. */
export function quietLogger(log: Log): Logger {
  const say = (...said: unknown[]) =>
    log.debug({ slack: said.map(String).join(' ').slice(0, 500) }, 'Slack library')
  return {
    debug() {},
    info() {},
    warn: say,
    error: say,
    setLevel() {},
    getLevel: () => LogLevel.WARN,
    setName() {},
  }
}
