/** Who we are in Slack: asked once, then known. Workspace and app never change under a token. */
import type { webApi } from '@slack/bolt'

export interface SlackSelf {
  readonly teamId: string
  readonly appId: string
}

/** @throws Slack's error as long as nobody has been able to ask */
export interface Self {
  (): Promise<SlackSelf>
  /** `null` until somebody has asked. */
  known(): SlackSelf | null
}

export function createSelf(client: webApi.WebClient): Self {
  let known: SlackSelf | null = null
  async function self(): Promise<SlackSelf> {
    if (known !== null) return known
    const { team_id: teamId, bot_id: bot } = await client.auth.test()
    if (teamId === undefined || bot === undefined)
      throw new Error('SLACK_BOT_TOKEN is not the token of a bot')
    const appId = (await client.bots.info({ bot })).bot?.app_id
    if (appId === undefined) throw new Error('Slack does not say which app this bot belongs to')
    known = { teamId, appId }
    return known
  }
  return Object.assign(self, { known: () => known })
}
