/** The tools of a server: what changed since somebody accepted it, with the button to accept, and all of them by how bad they can be. */

import { riskWords } from '../domain/present.ts'
import { visible } from '../domain/visible.ts'
import { MERE_WORDS } from '../ports/tool-pins.ts'
import type { ToolReview, TriedRule } from '../services/tool-reviews.ts'
import { type Acted, ActedNotice } from './acted.tsx'
import { page, type Reader } from './layout.tsx'
import { RiskMark, Time } from './told.tsx'
import { AcceptTool, Difference } from './tool-page.tsx'

export interface ToolsView {
  readonly server: string
  readonly tools: readonly ToolReview[]
  /** `null`: the decision log does not answer. */
  readonly tried: readonly TriedRule[] | null
  readonly mayAccept: boolean
  readonly notice: Acted | null
}

export function toolsPage({ server, tools, tried, mayAccept, notice }: ToolsView, reader: Reader) {
  const waiting = tools.filter(({ pin }) => pin.waiting !== null)
  return page({
    title: `Tools of ${visible(server)}`,
    root: '..',
    reader,
    current: 'tools',
    children: (
      <>
        <h1>
          Tools of <span translate="no">{visible(server)}</span>
        </h1>
        <p class="count" role="status">
          {waiting.length === 0
            ? `${tools.length} tools, all as they were accepted.`
            : `${waiting.length} of ${tools.length} tools changed or appeared. People are asked about their calls until somebody accepts them.`}
        </p>
        <ActedNotice acted={notice} />
        {waiting.map((tool) => (
          <section class="changed" aria-labelledby={`changed-${tool.pin.tool}`}>
            <h2 id={`changed-${tool.pin.tool}`}>
              <ToolLink tool={tool} /> <RiskMark level={tool.risk} word={riskWords[tool.risk]} />
            </h2>
            <Difference tool={tool} />
            {mayAccept && <AcceptTool tool={tool} reader={reader} action={`./${server}/${tool.pin.tool}`} />}
          </section>
        ))}
        {waiting.length > 0 && !mayAccept && (
          <p class="notice">Who may decide about calls to this server accepts its tools.</p>
        )}
        <OtherWords tools={tools} />
        <Tried tried={tried} />
        <h2>All of them</h2>
        <ul class="tools">
          {tools.map((tool) => (
            <li>
              <RiskMark level={tool.risk} word={riskWords[tool.risk]} />
              <div>
                <strong>
                  <ToolLink tool={tool} />
                </strong>
                {tool.title !== null && <span class="title">{visible(tool.title)}</span>}
                <span class="why">
                  {tool.category ?? 'unknown'}
                  {tool.evidence[0] !== undefined && `: ${visible(tool.evidence[0].reason)}`}
                </span>
              </div>
            </li>
          ))}
        </ul>
      </>
    ),
  })
}

/** The newest; older ones stand on the pages of the tools. */
const OTHER_WORDS_MAX = 10

/** What passed without a question, so that people can see that it did. */
function OtherWords({ tools }: { tools: readonly ToolReview[] }) {
  const taken = tools
    .flatMap((tool) => (tool.pin.accepted?.by === MERE_WORDS ? [{ tool, atMs: tool.pin.accepted.atMs }] : []))
    .sort((a, b) => b.atMs - a.atMs)
    .slice(0, OTHER_WORDS_MAX)
  if (taken.length === 0) return null
  return (
    <section aria-labelledby="other-words">
      <h2 id="other-words">Other words, and nothing else</h2>
      <p class="note">The server describes these tools in other words. They only read, so they go on.</p>
      <ul>
        {taken.map(({ tool, atMs }) => (
          <li>
            <ToolLink tool={tool} />, <Time atMs={atMs} />
          </li>
        ))}
      </ul>
    </section>
  )
}

const ToolLink = ({ tool: { pin } }: { tool: ToolReview }) => (
  <a href={`./${pin.server}/${pin.tool}`} translate="no">
    {visible(pin.tool)}
  </a>
)

function Tried({ tried }: { tried: readonly TriedRule[] | null }) {
  if (tried !== null && tried.length === 0) return null
  return (
    <section aria-labelledby="tried">
      <h2 id="tried">Tried, not enforced</h2>
      {tried === null ? (
        <p class="note">The decision log does not answer now.</p>
      ) : (
        <ul class="tools">
          {tried.map(({ rule, action, reason, calls }) => (
            <li>
              <span class="risk risk-medium">{action}</span>
              <div>
                <strong translate="no">{visible(rule)}</strong>
                {reason !== null && <span class="title">{visible(reason)}</span>}
                <span class="why">
                  {calls === 0
                    ? 'would have decided no call of the last seven days otherwise'
                    : `would have decided ${calls} ${calls === 1 ? 'call' : 'calls'} of the last seven days otherwise`}
                </span>
              </div>
            </li>
          ))}
        </ul>
      )}
    </section>
  )
}

export function toolServersPage(
  servers: readonly { readonly server: string; readonly waiting: number }[],
  reader: Reader,
) {
  return page({
    title: 'Tools',
    root: '.',
    reader,
    current: 'tools',
    children: (
      <>
        <h1>Tools</h1>
        <p class="count">What agents can call, server by server, and what changed about it.</p>
        {servers.length === 0 ? (
          <div class="empty">
            <p>No server has listed its tools yet.</p>
          </div>
        ) : (
          <ul class="calls">
            {servers.map(({ server, waiting }) => (
              <li>
                <a class="call" href={`./tools/${server}`}>
                  <span class="risk risk-medium">Server</span>
                  <span class="main">
                    <strong translate="no">{visible(server)}</strong>
                  </span>
                  <span class="facts">{waiting > 0 && <span class="left">{waiting} changed</span>}</span>
                </a>
              </li>
            ))}
          </ul>
        )}
      </>
    ),
  })
}

/** One line for each server with tools that changed, above the calls that wait. */
export function ChangedItems({
  changed,
}: {
  changed: readonly { readonly server: string; readonly tools: number }[]
}) {
  if (changed.length === 0) return null
  return (
    <ul class="calls chores">
      {changed.map(({ server, tools }) => (
        <li id={`tools-${server}`}>
          <a class="call" href={`./tools/${server}`}>
            <span class="risk risk-high">Tools</span>
            <span class="main">
              <strong>
                {tools} {tools === 1 ? 'tool' : 'tools'} of <span translate="no">{visible(server)}</span>{' '}
                changed or appeared
              </strong>
              <span class="where">People are asked about their calls until somebody accepts them.</span>
            </span>
            <span class="facts" />
          </a>
        </li>
      ))}
    </ul>
  )
}
