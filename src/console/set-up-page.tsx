/** "Set up": a server without a policy, what is proposed for it tool by tool with the reasons, and the button that puts it in force. */
import { type Context, Hono } from 'hono'
import { CLI } from '../domain/command-line.ts'
import { riskWords } from '../domain/present.ts'
import type { Proposal, ProposedTool, Treatment } from '../domain/set-up.ts'
import { visible } from '../domain/visible.ts'
import type { SetUp, SetUpRefusal, SetUps } from '../services/set-up.ts'
import { type ConsoleEnv, formOf, isFormTokenOf, isFromOurPage } from './guard.ts'
import { FormToken, page, type Reader } from './layout.tsx'
import { problemPage } from './problem-page.tsx'
import { RiskMark } from './told.tsx'

export function setUpRoutes(deps: {
  setUps: SetUps
  publicUrl: URL | null
  readerOf(c: Context<ConsoleEnv>): Reader
}) {
  const { setUps, publicUrl, readerOf } = deps
  const app = new Hono<ConsoleEnv>()

  function show(
    c: Context<ConsoleEnv>,
    server: string,
    problem: string | null,
    status: 200 | 403 | 409 = 200,
  ) {
    const reader = readerOf(c)
    const found = setUps.show(server)
    if (found !== null) {
      return c.html(setUpPage(found, { problem, mayAccept: setUps.mayAccept(reader.person) }, reader), status)
    }
    const text = problem ?? 'No server of this name waits for a policy. Perhaps somebody has set it up.'
    return c.html(problemPage(c.req.path, reader, text), status === 200 ? 404 : status)
  }

  app.get('/set-up/:server', (c) => show(c, c.req.param('server'), null))

  app.post('/set-up/:server', async (c) => {
    const server = c.req.param('server')
    const form = await formOf(c)
    const isOurs = isFromOurPage(c, publicUrl) && isFormTokenOf(c.get('token'), form?.get('token') ?? null)
    if (form === null || !isOurs) return show(c, server, 'This did not come from our own page.', 403)
    const put = await setUps.accept(server, form.get('digest') ?? '', c.get('person'))
    if (!put.ok) {
      const status = put.error.reason === 'not_an_operator' ? 403 : 409
      return show(c, server, refusalText(put.error), status)
    }
    return c.html(donePage(server, put.value.number, readerOf(c)))
  })
  return app
}

function refusalText(refusal: SetUpRefusal): string {
  switch (refusal.reason) {
    case 'not_an_operator':
      return 'Only operators put policies in force, and you are not one of them.'
    case 'proposal_changed':
      return 'The server lists other tools than when you looked. This is what is proposed now.'
    case 'tools_unknown':
      return 'Which tools it has is not known, so there is nothing to accept.'
    case 'unreadable':
    case 'undecidable':
      return `The proposal cannot be put in force: ${refusal.problem}`
    default:
      return 'Somebody has set it up in the meantime.'
  }
}

function setUpPage(
  { server, proposal, problem: unknown }: SetUp,
  { problem, mayAccept }: { problem: string | null; mayAccept: boolean },
  reader: Reader,
) {
  return page({
    title: `Set up ${visible(server)}`,
    root: '..',
    reader,
    current: 'waiting',
    children: (
      <>
        <h1>
          Set up <span translate="no">{visible(server)}</span>
        </h1>
        <p class="count">Nobody has accepted a policy for this server, so all its calls are refused.</p>
        {problem !== null && (
          <div class="notice" role="alert">
            <strong>Not done.</strong>
            <p>{visible(problem)}</p>
          </div>
        )}
        {proposal === null ? (
          <Unknown server={server} problem={unknown} />
        ) : (
          <>
            <Tools proposal={proposal} />
            {mayAccept ? <Accept proposal={proposal} reader={reader} /> : <Others />}
            <Text proposal={proposal} />
          </>
        )}
      </>
    ),
  })
}

function Unknown({ server, problem }: { server: string; problem: string | null }) {
  return (
    <div class="empty">
      <p>
        Which tools it has is not known yet
        {problem === null ? '. The gateway is asking.' : `: ${visible(problem)}`}
      </p>
      <p>
        It works without: write a policy, and put it in force with{' '}
        <code>
          {CLI} policy apply &lt;file&gt; --server {visible(server)}
        </code>
        .
      </p>
    </div>
  )
}

const headings: Readonly<Record<Treatment, string>> = {
  hide: 'Hidden',
  deny: 'Refused',
  ask: 'A person is asked',
  allow: 'Passes',
}
const treatments = ['hide', 'deny', 'ask', 'allow'] as const

function Tools({ proposal }: { proposal: Proposal }) {
  return (
    <>
      {treatments.map((gets) => {
        const group = proposal.tools.filter((tool) => tool.gets === gets)
        if (group.length === 0) return null
        return (
          <section class="treatment" aria-labelledby={`gets-${gets}`}>
            <h2 id={`gets-${gets}`}>
              {headings[gets]} <span class="note">{group.length}</span>
            </h2>
            <ul class="tools">
              {group.map((tool) => (
                <Tool tool={tool} />
              ))}
            </ul>
          </section>
        )
      })}
      <p class="note">
        A tool that appears later is asked about. What is proposed stands on what the server says about its
        own tools.
      </p>
    </>
  )
}

function Tool({ tool: { tool, title, risk, why } }: { tool: ProposedTool }) {
  return (
    <li>
      <RiskMark level={risk} word={riskWords[risk]} />
      <div>
        <strong translate="no">{visible(tool)}</strong>
        {title !== null && <span class="title">{visible(title)}</span>}
        <span class="why">{visible(why)}</span>
      </div>
    </li>
  )
}

function Accept({ proposal: { server, digest }, reader }: { proposal: Proposal; reader: Reader }) {
  return (
    <form method="post" action={`./${server}`} class="act">
      <FormToken token={reader.token} />
      <input type="hidden" name="digest" value={digest} />
      <div class="buttons">
        <button type="submit" class="primary">
          Put it in force
        </button>
      </div>
      <p class="note">
        To change it first: <code>{`${CLI} set-up ${server} --write ${server}.yaml`}</code>, then{' '}
        <code>{`${CLI} policy apply ${server}.yaml --server ${server}`}</code>.
      </p>
    </form>
  )
}

const Others = () => (
  <p class="notice">
    Operators put policies in force, and you are not one of them; <code>operators:</code> in holdpoint.yaml
    names them.
  </p>
)

function Text({ proposal: { text, digest } }: { proposal: Proposal }) {
  return (
    <details class="more">
      <summary>The policy as a file</summary>
      <pre class="command" tabindex={0} translate="no">
        {text.split('\n').map(visible).join('\n')}
      </pre>
      <p class="note" translate="no">
        SHA-256 <code>{digest}</code>
      </p>
    </details>
  )
}

function donePage(server: string, number: number, reader: Reader) {
  return page({
    title: `${visible(server)} is set up`,
    root: '..',
    reader,
    current: 'waiting',
    children: (
      <div class="empty">
        <h1>
          <span translate="no">{visible(server)}</span> is set up.
        </h1>
        <p>Revision {number} is in force, at every gateway within a second.</p>
        <p>
          <a class="button" href="../">
            What waits now
          </a>
        </p>
      </div>
    ),
  })
}

/** One line for each such server, above the calls that wait. */
export function SetUpItems({ servers }: { servers: readonly string[] }) {
  if (servers.length === 0) return null
  return (
    <ul class="calls chores">
      {servers.map((server) => (
        <li id={`set-up-${server}`}>
          <a class="call" href={`./set-up/${server}`}>
            <span class="risk risk-high">Server</span>
            <span class="main">
              <strong>
                Set up <span translate="no">{visible(server)}</span>
              </strong>
              <span class="where">No policy yet: its calls are refused until somebody accepts one.</span>
            </span>
            <span class="facts" />
          </a>
        </li>
      ))}
    </ul>
  )
}
