/** The frame of every page: what is loaded, where one can go, who is signed in. Links are relative, so they hold anywhere. */
import { html } from 'hono/html'
import type { Child } from 'hono/jsx'
import type { Person } from '../domain/principal.ts'
import type { Stop } from '../domain/stop.ts'
import { visible } from '../domain/visible.ts'
import { assetPath } from './assets.ts'
import { formToken } from './guard.ts'
import { StopBanner } from './stop-banner.tsx'

/** The way from a page to the root of the console: `.` from `/history`, `..` from `/approvals/HP-…`. */
export const rootOf = (path: string): string =>
  path
    .split('/')
    .slice(2)
    .map(() => '..')
    .join('/') || '.'

export interface Reader {
  readonly person: Person
  /** The secret of this session, for the forms. */
  readonly token: string
  readonly isApprover: boolean
  /** Outcomes of their own agents that they have not seen; up to a hundred are counted. */
  readonly unseen: number
  /** Whether there are servers where people have accounts of their own. */
  readonly hasAccounts: boolean
  /** What is stopped, oldest first. */
  readonly stops: readonly Stop[]
}

/**
 * No style of its own, nothing it would have to evaluate, only our origin, and only the one extension that is served.
 * What is not a page for this place (4xx, 5xx) is never put into it.
 */
const htmxConfig = JSON.stringify({
  prefix: '',
  history: false,
  includeIndicatorCSS: false,
  extensions: 'sse',
  mode: 'same-origin',
  noSwap: [204, 304, '4xx', '5xx'],
})

export function page(parts: {
  title: string
  root: string
  reader: Reader | null
  current?: 'waiting' | 'history' | 'agents' | 'accounts' | 'grants' | 'stops' | 'tools'
  /** A page that only leads to itself again. */
  isBounce?: boolean
  children: Child
}) {
  const { title, root, reader, current, isBounce = false, children } = parts
  return html`<!doctype html>${(
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <title>{title} · Holdpoint</title>
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="robots" content="noindex" />
        {isBounce && <meta http-equiv="refresh" content="0" />}
        <meta name="htmx-config" content={htmxConfig} />
        <link rel="icon" href={`${root}/${assetPath('icon')}`} type="image/svg+xml" />
        <link rel="stylesheet" href={`${root}/${assetPath('style')}`} />
        {reader !== null && <script src={`${root}/${assetPath('htmx')}`} defer></script>}
        <script src={`${root}/${assetPath('script')}`} defer></script>
      </head>
      <body>
        <a class="skip" href="#main">
          Skip to the content
        </a>
        <header class="top">
          <Brand root={root} />
          {reader !== null && <Navigation root={root} reader={reader} current={current} />}
        </header>
        <main id="main" tabindex={-1}>
          {reader !== null && <StopBanner stops={reader.stops} root={root} />}
          {children}
        </main>
        {reader !== null && <Keyboard />}
      </body>
    </html>
  )}`
}

function Brand({ root }: { root: string }) {
  return (
    <a class="brand" href={`${root}/`}>
      <svg viewBox="0 0 24 24" width="24" height="24" aria-hidden="true">
        <circle cx="12" cy="12" r="9.5" fill="none" stroke="currentColor" stroke-width="2" />
        <rect x="8" y="7.5" width="2.6" height="9" rx="1" fill="currentColor" />
        <rect x="13.4" y="7.5" width="2.6" height="9" rx="1" fill="currentColor" />
      </svg>
      Holdpoint
    </a>
  )
}

function Navigation({
  root,
  reader,
  current,
}: {
  root: string
  reader: Reader
  current: string | undefined
}) {
  const link = (name: string, path: string, text: string) => (
    <a href={`${root}/${path}`} {...(current === name ? { 'aria-current': 'page' } : {})}>
      {text}
    </a>
  )
  return (
    <>
      <nav class="tabs" aria-label="Console">
        {link('waiting', '', 'Waiting')}
        {link('history', 'history', 'History')}
        {link(
          'agents',
          'agents',
          reader.unseen === 0 ? 'Your agents' : `Your agents (${unseenText(reader.unseen)})`,
        )}
        {reader.hasAccounts && link('accounts', 'accounts', 'Accounts')}
        {link('grants', 'grants', 'Grants')}
        {link('tools', 'tools', 'Tools')}
        {link('stops', 'stops', reader.stops.length === 0 ? 'Stops' : `Stops (${reader.stops.length})`)}
        {reader.isApprover && link('queues', 'queues', 'Queues')}
      </nav>
      <form class="who" method="post" action={`${root}/sign-out`}>
        <span>
          <span class="unseen">Signed in as </span>
          {visible(reader.person.name)}
        </span>
        <FormToken token={reader.token} />
        <button type="submit" class="quiet">
          Sign out
        </button>
      </form>
    </>
  )
}

/** So many are counted; more are more. */
export const UNSEEN_MAX = 100
const unseenText = (unseen: number) => (unseen >= UNSEEN_MAX ? `${UNSEEN_MAX}+` : String(unseen))

export const FormToken = ({ token }: { token: string }) => (
  <input type="hidden" name="token" value={formToken(token)} autocomplete="off" />
)

/** The keys move the focus and open pages. None of them decides: that is what Enter on the button is for. */
function Keyboard() {
  const keys = [
    ['j', 'next call'],
    ['k', 'previous call'],
    ['Enter', 'open it'],
    ['a', 'go to Approve or Confirm; Enter says it, or asks once more if the risk is critical'],
    ['d', 'go to Deny; then Enter says it'],
    ['q', 'waiting calls'],
    ['h', 'history'],
    ['?', 'this list'],
  ]
  return (
    <footer>
      <details id="keys">
        <summary>Keyboard</summary>
        <dl class="keys">
          {keys.map(([key, meaning]) => (
            <div>
              <dt>
                <kbd>{key}</kbd>
              </dt>
              <dd>{meaning}</dd>
            </div>
          ))}
        </dl>
        <label class="switch" hidden>
          <input type="checkbox" id="keys-on" checked /> Single keys work on this device
        </label>
      </details>
    </footer>
  )
}
