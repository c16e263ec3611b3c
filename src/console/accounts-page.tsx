/** Where people connect their accounts at servers, so that their agents act there as them; and the way back from there. */

import { type Context, Hono } from 'hono'
import type { Accounts } from '../ports/accounts.ts'
import { type Acted, ActedNotice } from './acted.tsx'
import { type ConsoleEnv, formOf, isFormTokenOf, isFromOurPage } from './guard.ts'
import { FormToken, page, type Reader } from './layout.tsx'
import { Time } from './told.tsx'

export interface AccountsPageDeps {
  readonly accounts: Accounts
  readonly publicUrl: URL | null
  readerOf(c: Context<ConsoleEnv>): Reader
}

type State = Awaited<ReturnType<Accounts['of']>>[number]

export function accountsRoutes({ accounts, publicUrl, readerOf }: AccountsPageDeps) {
  const app = new Hono<ConsoleEnv>()

  async function show(c: Context<ConsoleEnv>, notice: Acted | null, status: 200 | 403 | 404 | 502 = 200) {
    const states = await accounts.of(c.get('person').id)
    return c.html(accountsPage(states, readerOf(c), notice, rootFor(c)), status)
  }

  app.get('/accounts', (c) => show(c, null))

  app.post('/accounts', async (c) => {
    const form = await formOf(c)
    const isOurs = isFromOurPage(c, publicUrl) && isFormTokenOf(c.get('token'), form?.get('token') ?? null)
    if (!isOurs) return show(c, bad('This did not come from our own page.'), 403)
    const server = form?.get('server') ?? ''
    const { id } = c.get('person')
    if (!accounts.servers.includes(server)) return show(c, bad('There is no such server with accounts.'), 404)
    if (form?.get('act') === 'disconnect') {
      await accounts.disconnect(server, id)
      return show(c, {
        isGood: true,
        text: `Your account at ${server} is disconnected here. Its owner may still list it as allowed.`,
      })
    }
    const begun = await accounts.begin(server, id)
    if (!begun.ok) return show(c, bad(begun.error), 502)
    return c.html(leavePage(server, begun.value, readerOf(c)))
  })

  // The person comes back from another site, and this page looks once more as our own (see `askToSignIn`).
  app.get('/oauth/callback', async (c) => {
    const returned = {
      state: c.req.query('state') ?? null,
      code: c.req.query('code') ?? null,
      iss: c.req.query('iss') ?? null,
      error: c.req.query('error') ?? null,
    }
    const finished = await accounts.finish(returned, c.get('person').id)
    if (!finished.ok) return show(c, bad(finished.error), 403)
    return show(c, {
      isGood: true,
      text: `Your account at ${finished.value} is connected. Your agents act there as you.`,
    })
  })
  return app
}

const bad = (text: string): Acted => ({ isGood: false, text })
const rootFor = (c: Context) => (c.req.path.endsWith('/oauth/callback') ? '..' : '.')

function accountsPage(states: readonly State[], reader: Reader, notice: Acted | null, root: string) {
  return page({
    title: 'Accounts',
    root,
    reader,
    current: 'accounts',
    children: (
      <>
        <h1>Accounts</h1>
        <p class="note">
          At these servers each agent acts as the person who answers for it. Yours act as you, with the
          account you connect here.
        </p>
        <ActedNotice acted={notice} />
        <ul class="calls">
          {states.map((state) => (
            <Account state={state} reader={reader} root={root} />
          ))}
        </ul>
      </>
    ),
  })
}

function Account({ state, reader, root }: { state: State; reader: Reader; root: string }) {
  const { server, connectedAtMs } = state
  const isConnected = connectedAtMs !== null
  return (
    <li id={server} class="account">
      <div class="name">
        <strong translate="no">{server}</strong>
        <span>
          {connectedAtMs === null ? (
            'not connected'
          ) : (
            <>
              connected <Time atMs={connectedAtMs} />
            </>
          )}
        </span>
      </div>
      <form method="post" action={`${root}/accounts`}>
        <FormToken token={reader.token} />
        <input type="hidden" name="server" value={server} />
        <div class="buttons">
          <button type="submit" name="act" value="connect" class={isConnected ? '' : 'primary'}>
            {isConnected ? 'Connect again' : 'Connect'}
          </button>
          {isConnected && (
            <button type="submit" name="act" value="disconnect">
              Disconnect
            </button>
          )}
        </div>
      </form>
    </li>
  )
}

/** A link, not a redirect: the person sees whose page comes next, and our policy lets no form lead elsewhere. */
function leavePage(server: string, target: URL, reader: Reader) {
  return page({
    title: `Connect ${server}`,
    root: '.',
    reader,
    current: 'accounts',
    children: (
      <div class="empty">
        <h1>
          Sign in at <span translate="no">{target.host}</span>
        </h1>
        <p>
          There you allow Holdpoint to act at <strong translate="no">{server}</strong> as you, when your
          agents call it. Ten minutes from now this is void.
        </p>
        <p>
          <a class="button primary" href={target.href} rel="noreferrer">
            Continue at {target.host}
          </a>
        </p>
      </div>
    ),
  })
}
