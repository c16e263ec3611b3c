/** `slack manifest`: the app that Holdpoint needs, as Slack takes it. The steps that follow go to the error output. */
import { formatProblems, loadConfigWithoutUpstreams } from '../config.ts'
import { CLI } from '../domain/command-line.ts'
import { manifestFor } from '../launch/slack.ts'
import type { ExitCode } from './io.ts'
import type { Parts } from './parts.ts'
import { printJson } from './session.ts'

export async function printManifest({ io, surroundings }: Parts): Promise<ExitCode> {
  const loaded = loadConfigWithoutUpstreams(surroundings)
  if (!loaded.ok) {
    io.err(formatProblems(loaded.error))
    return 2
  }
  const manifest = await manifestFor(loaded.value)
  printJson(io, manifest)
  const isSocket = manifest.settings.socket_mode_enabled
  const steps = [
    'Open https://api.slack.com/apps?new_app=1, choose “From a manifest”, and paste what is above as JSON.',
    'Install it, and set SLACK_BOT_TOKEN to its Bot User OAuth Token (xoxb-…).',
    isSocket
      ? 'Basic Information → App-Level Tokens: make one with connections:write, and set SLACK_APP_TOKEN (xapp-…).'
      : 'Basic Information → Signing Secret: set SLACK_SIGNING_SECRET. (With SLACK_APP_TOKEN set, the manifest uses Socket Mode.)',
    'Name the channel in holdpoint.yaml (channels: { slack: { channel: C… } }), and invite the app there: /invite @Holdpoint.',
    `Restart Holdpoint; then \`${CLI} doctor slack\`, and \`${CLI} people link <name>\` for each person.`,
  ]
  for (const [at, step] of steps.entries()) io.err(`${at + 1}. ${step}`)
  return 0
}
