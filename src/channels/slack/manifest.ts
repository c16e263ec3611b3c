/** The app that Holdpoint needs in Slack, and nothing beyond it: what `api.slack.com/apps` → *From a manifest* takes. */

/** Post cards, take `/holdpoint`, write to one person, and see whether somebody is a full member. */
export const neededScopes = ['chat:write', 'commands', 'im:write', 'users:read'] as const

/** @param eventsUrl where Slack reaches us over HTTP; `null`: Socket Mode, no address needed */
export function slackManifest(eventsUrl: string | null) {
  return {
    display_information: {
      name: 'Holdpoint',
      description: 'Asks people before an AI agent does something critical',
      background_color: '#1d2b3a',
    },
    features: {
      bot_user: { display_name: 'Holdpoint', always_online: true },
      slash_commands: [
        {
          command: '/holdpoint',
          description: 'Link your account, or see who you are',
          usage_hint: 'link CODE | unlink | help',
          should_escape: false,
          ...(eventsUrl === null ? {} : { url: eventsUrl }),
        },
      ],
    },
    oauth_config: { scopes: { bot: [...neededScopes] } },
    settings: {
      interactivity: { is_enabled: true, ...(eventsUrl === null ? {} : { request_url: eventsUrl }) },
      org_deploy_enabled: false,
      socket_mode_enabled: eventsUrl === null,
      token_rotation_enabled: false,
    },
  }
}
