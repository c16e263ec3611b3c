/**
 * Signing in with a personal one-time code. Opening a link uses nothing up: the code stands behind `#`, the script puts it
 * into the form, and the person sends it. A cookie of `SameSite=Strict` is set by that post from our own page.
 */
import { type Context, Hono } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { LINK_CODE_LENGTH } from '../domain/link-code.ts'
import type { Log } from '../ports/log.ts'
import type { Sessions } from '../ports/sessions.ts'
import type { Attempts } from './attempts.ts'
import { type ConsoleEnv, type Cookie, formOf, isFormTokenOf, isFromOurPage } from './guard.ts'
import { page, rootOf } from './layout.tsx'

export interface SignInDeps {
  readonly sessions: Sessions
  readonly attempts: Attempts
  readonly cookie: Cookie
  readonly publicUrl: URL | null
  readonly log: Log
}

/** Where one may be led after signing in: pages of the console, and nothing that merely looks like one. */
const places =
  /^(?:approvals\/HP-[0-9A-Z]{10}|history|queues|accounts|agents|grants|stops|tools|set-up\/[\w.-]{1,128}|)$/

/** A page in the hand of somebody who is not signed in, or not any more. */
export function askToSignIn(c: Context<ConsoleEnv>, cookie: Cookie): Response | Promise<Response> {
  // A part of a page asked: the whole page is to be loaded anew, and then asks for the code.
  if (c.req.header('hx-request') !== undefined) return c.text('Sign in.\n', 401, { 'HX-Refresh': 'true' })
  const root = rootOf(c.req.path)
  // Coming from another site (a card in Slack on the web), the browser holds a strict cookie back. Asked for again by our
  // own page, it sends it.
  const isHeldBack =
    getCookie(c, cookie.name) === undefined && c.req.header('sec-fetch-site') === 'cross-site'
  if (c.req.method === 'GET' && isHeldBack) {
    return c.html(
      page({
        title: 'One moment',
        root,
        reader: null,
        isBounce: true,
        children: <a href={c.req.path}>Continue</a>,
      }),
      401,
    )
  }
  const place = c.req.path.slice(1)
  return c.html(signInPage(root, places.test(place) ? place : '', null), 401)
}

export function signInRoutes(deps: SignInDeps) {
  const { sessions, attempts, cookie, publicUrl, log } = deps
  const app = new Hono<ConsoleEnv>()
  const options = {
    path: '/',
    httpOnly: true,
    sameSite: 'Strict',
    secure: cookie.isSecure,
  } as const

  app.get('/sign-in', (c) => c.html(signInPage('.', '', null)))

  app.post('/sign-in', async (c) => {
    const refuse = (status: 400 | 403 | 429, text: string, place = '') =>
      c.html(signInPage('.', place, text), status)
    if (!isFromOurPage(c, publicUrl)) return refuse(403, 'This did not come from our own page.')
    const address = c.env?.incoming?.socket.remoteAddress ?? 'unknown'
    if (!attempts.isAllowed(address)) {
      log.warn({ address }, 'too many attempts to sign in')
      return refuse(429, 'Too many attempts. Wait a minute, then try again.')
    }
    const form = await formOf(c)
    const place = form?.get('place') ?? ''
    const session = await sessions.signIn(form?.get('code') ?? '')
    if (session === null) {
      log.info({ address }, 'a code that does not work')
      return refuse(403, 'This code does not work: it is mistyped, used already, or too old.', place)
    }
    const previous = getCookie(c, cookie.name)
    if (previous !== undefined) await sessions.signOut(previous)
    log.info({ person: session.person.id }, 'signed in to the console')
    setCookie(c, cookie.name, session.token, { ...options, maxAge: Math.floor(session.validMs / 1000) })
    return c.redirect(`./${places.test(place) ? place : ''}`, 303)
  })

  app.post('/sign-out', async (c) => {
    const token = getCookie(c, cookie.name)
    const form = await formOf(c)
    const isOurs = isFromOurPage(c, publicUrl) && isFormTokenOf(token ?? '', form?.get('token') ?? null)
    if (token === undefined || !isOurs) return c.html(signInPage('.', '', null), 403)
    await sessions.signOut(token)
    deleteCookie(c, cookie.name, options)
    return c.redirect('./sign-in', 303)
  })
  return app
}

function signInPage(root: string, place: string, problem: string | null) {
  return page({
    title: 'Sign in',
    root,
    reader: null,
    children: (
      <div class="sign-in">
        <h1>Sign in</h1>
        {problem !== null && (
          <div class="notice" role="alert">
            <strong>Not signed in.</strong>
            <p>{problem}</p>
          </div>
        )}
        <form method="post" action={`${root}/sign-in`}>
          <input type="hidden" name="place" value={place} />
          <label for="code">Your one-time code</label>
          <input
            id="code"
            name="code"
            required
            maxlength={LINK_CODE_LENGTH * 2}
            placeholder="XXXXX-XXXXX"
            autocomplete="one-time-code"
            autocapitalize="characters"
            spellcheck={false}
            aria-describedby="code-help"
          />
          <button type="submit" class="primary">
            Sign in
          </button>
        </form>
        <p class="note" id="code-help">
          It works once and for ten minutes. Whoever runs Holdpoint makes one for you:
        </p>
        <pre class="command" translate="no">
          npx holdpoint people link &lt;you&gt;
        </pre>
      </div>
    ),
  })
}
