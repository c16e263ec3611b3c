/** What went wrong with Slack, in the words of the channel port, and what a person can do about it. */
import { webApi } from '@slack/bolt'
import { ChannelFault } from '../../ports/channels.ts'

/** Slack's own error word, where the call arrived and was refused. */
export function slackError(error: unknown): string | null {
  return error instanceof webApi.WebAPIPlatformError ? error.data.error : null
}

export function toFault(error: unknown): ChannelFault {
  if (error instanceof webApi.WebAPIRateLimitedError) {
    const options = { cause: error, isCertainlyUnposted: true }
    return new ChannelFault('Slack asks for a pause', true, error.retryAfter * 1_000, options)
  }
  const word = slackError(error)
  if (word === null) {
    const reason = error instanceof Error ? error.message : String(error)
    const options = { cause: error, isCertainlyUnposted: isUnconnected(error) }
    return new ChannelFault(`Slack cannot be reached: ${reason}`, true, null, options)
  }
  const message = `Slack refused: ${word}. ${remedyOf(word)}`
  const options = { cause: error, isCertainlyUnposted: !passing.has(word) || word === 'ratelimited' }
  return new ChannelFault(message, passing.has(word), null, options)
}

/** No connection stood, so that nothing can have arrived. */
const unconnected = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'ENETUNREACH', 'EHOSTUNREACH'])
const CAUSES_MAX = 5

function isUnconnected(error: unknown): boolean {
  let cause: unknown = error
  for (let depth = 0; depth < CAUSES_MAX && cause instanceof Error; depth++) {
    if ('code' in cause && typeof cause.code === 'string' && unconnected.has(cause.code)) return true
    cause = 'original' in cause ? cause.original : cause.cause
  }
  return false
}

/** Slack's trouble, not ours. */
const passing = new Set([
  'fatal_error',
  'internal_error',
  'ratelimited',
  'request_timeout',
  'service_unavailable',
  'team_added_to_org',
])

const remedies: Readonly<Record<string, string>> = {
  channel_not_found:
    'Check channels.slack.channel in holdpoint.yaml; a private channel has to invite the app first.',
  not_in_channel: 'Invite the app to the channel: /invite @Holdpoint.',
  is_archived: 'The channel is archived: bring it back, or name another in holdpoint.yaml.',
  invalid_auth: 'Check SLACK_BOT_TOKEN: it begins with xoxb- and belongs to this workspace.',
  not_authed: 'Set SLACK_BOT_TOKEN.',
  account_inactive:
    'The app was removed from the workspace: install it again and set its new SLACK_BOT_TOKEN.',
  token_revoked: 'The token was revoked: install the app again and set its new SLACK_BOT_TOKEN.',
  token_expired: 'Install the app again and set its new SLACK_BOT_TOKEN.',
  not_allowed_token_type: 'SLACK_BOT_TOKEN must begin with xoxb-, SLACK_APP_TOKEN with xapp-.',
  missing_scope: 'Add the scopes of `npx holdpoint slack manifest` to the app and install it again.',
  restricted_action:
    'The workspace does not let apps post in this channel: choose another, or ask its admin.',
}

export const remedyOf = (word: string): string =>
  remedies[word] ?? '`npx holdpoint doctor slack` checks the whole set-up.'
