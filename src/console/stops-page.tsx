/** The kill switch in the console: what is stopped, a form to stop and a button to lift, each with a second look before it happens. */

import { type Context, Hono } from 'hono'
import { REASON_LENGTH_MAX } from '../domain/limits.ts'
import { everything, type Stop, type StopScope, scopeText } from '../domain/stop.ts'
import { visible } from '../domain/visible.ts'
import type { StopChanges, StopRefusal } from '../services/stop-changes.ts'
import { type Acted, ActedNotice } from './acted.tsx'
import { type ConsoleEnv, formOf, isFormTokenOf, isFromOurPage } from './guard.ts'
import { FormToken, page, type Reader } from './layout.tsx'
import { Time } from './told.tsx'

export interface StopsPageDeps {
  readonly stops: StopChanges
  readonly publicUrl: URL | null
  readerOf(c: Context<ConsoleEnv>): Reader
}

/** What is about to happen, shown once more. */
type Review =
  | { readonly kind: 'stop'; readonly scope: StopScope; readonly reason: string }
  | { readonly kind: 'lift'; readonly stop: Stop }

/** Of the stops that were lifted; older ones are on the command line. */
const HISTORY_MAX = 20

export function stopsRoutes({ stops, publicUrl, readerOf }: StopsPageDeps) {
  const app = new Hono<ConsoleEnv>()

  async function show(c: Context<ConsoleEnv>, notice: Acted | null, status: 200 | 400 | 403 | 409 = 200) {
    const reader = readerOf(c)
    const [inForce, history] = await Promise.all([stops.inForce(), stops.history(HISTORY_MAX, null)])
    const lifted = history.filter((stop) => stop.lifted !== null)
    const view = { inForce, lifted, notice, mayStop: stops.mayStop(reader.person) }
    return c.html(stopsPage(view, reader), status)
  }

  app.get('/stops', (c) => show(c, null))

  app.post('/stops', async (c) => {
    const form = await formOf(c)
    const isOurs = isFromOurPage(c, publicUrl) && isFormTokenOf(c.get('token'), form?.get('token') ?? null)
    if (form === null || !isOurs) return show(c, bad('This did not come from our own page.'), 403)
    const person = c.get('person')
    if (!stops.mayStop(person)) return show(c, bad('Only operators stop and lift.'), 403)
    const isSure = form.get('sure') === 'yes'
    if (form.get('act') === 'lift') {
      const number = Number(form.get('number'))
      const stop = (await stops.inForce()).find((one) => one.number === number)
      if (stop === undefined) return show(c, bad('It is not in force any more.'), 409)
      if (!isSure) return c.html(reviewPage({ kind: 'lift', stop }, readerOf(c)))
      const lifted = await stops.lift(number, person)
      if (!lifted.ok) return show(c, bad(refusalText(lifted.error)), 409)
      return show(c, good(`Lifted: ${scopeText(lifted.value.scope)}. The policy decides again.`))
    }
    const wish = wishOf(form)
    if (typeof wish === 'string') return show(c, bad(wish), 400)
    if (!isSure) return c.html(reviewPage({ kind: 'stop', ...wish }, readerOf(c)))
    const put = await stops.put(wish.scope, wish.reason, person)
    if (!put.ok) return show(c, bad(refusalText(put.error)), 409)
    const { stop, isNew, cancelled } = put.value
    const what = scopeText(stop.scope)
    return show(
      c,
      good(
        isNew
          ? `Stopped: ${what}. Waiting calls cancelled so far: ${cancelled}. What is being sent cannot be called back.`
          : `It was stopped already: ${what}.`,
      ),
    )
  })
  return app
}

/** @returns a sentence where it is no wish that could be carried out */
function wishOf(form: URLSearchParams): { scope: StopScope; reason: string } | string {
  const part = (name: string) => {
    const text = (form.get(name) ?? '').trim().replaceAll('\u0000', '')
    return text === '' ? null : text
  }
  const reason = part('reason')
  if (reason === null) return 'Say why: the agents are told.'
  if (reason.length > REASON_LENGTH_MAX) return `The reason is longer than ${REASON_LENGTH_MAX} letters.`
  const scope = { server: part('server'), tool: part('tool'), agent: part('agent'), owner: part('owner') }
  if (form.get('everything') === 'yes') {
    if (Object.values(scope).every((narrowing) => narrowing === null)) return { scope: everything, reason }
    return 'Everything, or only what the fields name? Leave one of them out.'
  }
  if (scope.server === null && scope.agent === null) return 'Name an agent or a server, or choose everything.'
  if (scope.tool !== null && scope.server === null) return 'A tool needs its server.'
  if (scope.owner !== null && scope.agent === null) return 'An owner needs the name of the agent.'
  return { scope, reason }
}

const bad = (text: string): Acted => ({ isGood: false, text })
const good = (text: string): Acted => ({ isGood: true, text })

function refusalText(refusal: StopRefusal): string {
  switch (refusal.reason) {
    case 'not_an_operator':
      return 'Only operators stop and lift.'
    case 'no_such_server':
      return `Nothing was stopped: there is no such server. There are: ${refusal.servers.join(', ')}.`
    case 'too_many_stops':
      return `Nothing was stopped: ${refusal.max} stops are in force already. Stop a whole server or everything.`
    case 'no_such_stop':
    case 'lifted_before':
      return 'It is not in force any more.'
  }
}

function stopsPage(
  view: {
    inForce: readonly Stop[]
    lifted: readonly Stop[]
    notice: Acted | null
    mayStop: boolean
  },
  reader: Reader,
) {
  const { inForce, lifted, notice, mayStop } = view
  return page({
    title: 'Stops',
    root: '.',
    reader,
    current: 'stops',
    children: (
      <>
        <h1>Stops</h1>
        <p class="note">
          What is stopped is refused at every gateway from the next call on, whatever the policy says, and
          what waits is cancelled.
        </p>
        <ActedNotice acted={notice} />
        {inForce.length === 0 ? (
          <p class="note">Nothing is stopped.</p>
        ) : (
          <ul class="calls">
            {inForce.map((stop) => (
              <Row stop={stop} reader={reader} mayLift={mayStop} />
            ))}
          </ul>
        )}
        {mayStop ? (
          <StopForm reader={reader} />
        ) : (
          <p class="note">Operators stop and lift; holdpoint.yaml names them.</p>
        )}
        {lifted.length > 0 && (
          <>
            <h2>Lifted</h2>
            <ul class="calls">
              {lifted.map((stop) => (
                <Row stop={stop} reader={reader} mayLift={false} />
              ))}
            </ul>
          </>
        )}
      </>
    ),
  })
}

function Row({ stop, reader, mayLift }: { stop: Stop; reader: Reader; mayLift: boolean }) {
  return (
    <li class="account">
      <div class="name">
        <strong>{visible(scopeText(stop.scope))}</strong>
        <span>{visible(stop.reason)}</span>
        <span>
          by {visible(stop.by)}, <Time atMs={stop.atMs} />
          {stop.lifted !== null && (
            <>
              ; lifted by {visible(stop.lifted.by)}, <Time atMs={stop.lifted.atMs} />
            </>
          )}
        </span>
      </div>
      {mayLift && (
        <form method="post" action="./stops">
          <FormToken token={reader.token} />
          <input type="hidden" name="number" value={String(stop.number)} />
          <button type="submit" name="act" value="lift">
            Lift…
          </button>
        </form>
      )}
    </li>
  )
}

function StopForm({ reader }: { reader: Reader }) {
  const field = (name: string, label: string) => (
    <label>
      {label}
      <input type="text" name={name} autocomplete="off" maxlength={500} />
    </label>
  )
  return (
    <form method="post" action="./stops" class="stop-form">
      <h2>Stop something</h2>
      <FormToken token={reader.token} />
      {field('agent', 'Agent')}
      {field('owner', 'only the one that this person answers for')}
      {field('server', 'Server')}
      {field('tool', 'only this tool of it')}
      <label class="switch">
        <input type="checkbox" name="everything" value="yes" /> Everything
      </label>
      <label>
        Why (the agents are told)
        <input type="text" name="reason" required autocomplete="off" maxlength={REASON_LENGTH_MAX} />
      </label>
      <div class="buttons">
        <button type="submit" name="act" value="stop">
          Stop…
        </button>
      </div>
    </form>
  )
}

function reviewPage(review: Review, reader: Reader) {
  const scope = review.kind === 'stop' ? review.scope : review.stop.scope
  const reason = review.kind === 'stop' ? review.reason : review.stop.reason
  const isStop = review.kind === 'stop'
  const fields = isStop
    ? Object.entries(scope).flatMap(([name, value]) => (value === null ? [] : [[name, value] as const]))
    : [['number', String(review.stop.number)] as const]
  return page({
    title: isStop ? 'Stop?' : 'Lift?',
    root: '.',
    reader,
    current: 'stops',
    children: (
      <div class="empty">
        <h1>
          {isStop ? 'Stop' : 'Lift the stop of'} {visible(scopeText(scope))}?
        </h1>
        <p>{visible(reason)}</p>
        <p>
          {isStop
            ? 'Every gateway refuses such calls from now on, and those that wait are cancelled.'
            : 'From now on the policy decides about such calls again.'}
        </p>
        <form method="post" action="./stops">
          <FormToken token={reader.token} />
          <input type="hidden" name="act" value={review.kind} />
          <input type="hidden" name="sure" value="yes" />
          {isStop && <input type="hidden" name="reason" value={reason} />}
          {isStop && fields.length === 0 && <input type="hidden" name="everything" value="yes" />}
          {fields.map(([name, value]) => (
            <input type="hidden" name={name} value={value} />
          ))}
          <div class="buttons">
            <button type="submit" class="primary">
              {isStop ? 'Stop now' : 'Lift now'}
            </button>
            <a class="button" href="./stops">
              Back
            </a>
          </div>
        </form>
      </div>
    ),
  })
}
