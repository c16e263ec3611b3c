/** Where the gateway is and who asks, from the environment that was handed in. */
import type { Surroundings } from '../config.ts'
import { CLI } from '../domain/command-line.ts'
import { err, ok, type Result } from '../domain/result.ts'

export interface ClientSettings {
  /** Without a slash at the end. */
  readonly url: string
  readonly token: string
}

export interface Trouble {
  readonly message: string
  readonly remedy: string | null
}

/** Where nobody is configured, the token of yesterday is void today: a person has to know why. */
export const LOCAL_TOKEN =
  'While no people are configured you are `local`, and the gateway prints a new token at each start.'

export const DEFAULT_URL = 'http://127.0.0.1:8484'

/** @returns the address of the gateway, without a slash at the end */
export function gatewayAddress({ env }: Pick<Surroundings, 'env'>): Result<string, Trouble> {
  const written = env.HOLDPOINT_URL || DEFAULT_URL
  const url = URL.canParse(written) ? new URL(written) : null
  if (url === null || !['http:', 'https:'].includes(url.protocol) || url.username !== '') {
    return err({
      message: 'HOLDPOINT_URL is not the http or https address of a gateway.',
      remedy: `For example ${DEFAULT_URL}, which is also the default.`,
    })
  }
  return ok(url.origin + url.pathname.replace(/\/+$/, ''))
}

export function clientSettings({ env }: Pick<Surroundings, 'env'>): Result<ClientSettings, Trouble> {
  const url = gatewayAddress({ env })
  if (!url.ok) return url
  const token = env.HOLDPOINT_TOKEN?.trim() ?? ''
  if (token === '') {
    return err({
      message: 'HOLDPOINT_TOKEN is not set, so the gateway would not know who you are.',
      remedy: `Make a token with \`${CLI} people token <id>\`, then \`export HOLDPOINT_TOKEN=hpp_…\`. ${LOCAL_TOKEN}`,
    })
  }
  if (!/^[A-Za-z0-9._~+/=-]+$/.test(token)) {
    return err({
      message: 'HOLDPOINT_TOKEN holds characters that no token has.',
      remedy: 'Copy it again, without quotes.',
    })
  }
  return ok({ url: url.value, token })
}
