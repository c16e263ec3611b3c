/** One tool: what changed about it, why it is as bad as it is said to be, which documented attacks use such access, and what helps. */
import { CLI } from '../domain/command-line.ts'
import { riskWords } from '../domain/present.ts'
import type { DiffLine } from '../domain/risk/drift.ts'
import { visible } from '../domain/visible.ts'
import { FIRST_SIGHT, MERE_WORDS, type ToolPin } from '../ports/tool-pins.ts'
import type { ToolReview } from '../services/tool-reviews.ts'
import { FormToken, page, type Reader } from './layout.tsx'
import { RiskMark, Time } from './told.tsx'

/** Descriptions may be manuals; the whole definition is on the command line. */
const DESCRIPTION_SHOWN_MAX = 2_000

export function toolPage(
  tool: ToolReview,
  { mayAccept, notice }: { mayAccept: boolean; notice: string | null },
  reader: Reader,
) {
  const { pin, title, description, category, risk } = tool
  const cut = description?.slice(0, DESCRIPTION_SHOWN_MAX) ?? null
  return page({
    title: visible(pin.tool),
    root: '../..',
    reader,
    current: 'tools',
    children: (
      <>
        <h1 translate="no" class="tool-name">
          {visible(pin.tool)}
        </h1>
        <p class="count">
          <RiskMark level={risk} word={riskWords[risk]} /> {category ?? 'unknown'}, on{' '}
          <a href={`../${pin.server}`} translate="no">
            {visible(pin.server)}
          </a>
          {pin.accepted !== null && <Taken accepted={pin.accepted} />}
        </p>
        {notice !== null && (
          <div class="notice" role="alert">
            <strong>Not done.</strong>
            <p>{visible(notice)}</p>
          </div>
        )}
        {pin.waiting !== null && (
          <section aria-labelledby="changed">
            <h2 id="changed">{pin.accepted === null ? 'It is new' : 'It changed'}</h2>
            <p class="note">People are asked about its calls until somebody accepts it.</p>
            <Difference tool={tool} />
            {mayAccept ? (
              <AcceptTool tool={tool} reader={reader} action={`./${pin.tool}`} />
            ) : (
              <p class="notice">Who may decide about calls to this server accepts its tools.</p>
            )}
          </section>
        )}
        <section aria-labelledby="says">
          <h2 id="says">What the server says it is</h2>
          {title !== null && <p>{visible(title)}</p>}
          {cut === null ? (
            <p class="note">Nothing.</p>
          ) : (
            <p class="said">
              {cut.split('\n').map((line) => (
                <>
                  {visible(line)}
                  <br />
                </>
              ))}
              {description !== cut && <span class="note">… and more</span>}
            </p>
          )}
        </section>
        <Why tool={tool} />
        <Attacks tool={tool} />
        <Beside tool={tool} />
      </>
    ),
  })
}

/** Who took the definition, or which rule did. */
function Taken({ accepted: { by, atMs } }: { accepted: NonNullable<ToolPin['accepted']> }) {
  if (by === FIRST_SIGHT)
    return (
      <>
        , as it was when it was first seen, <Time atMs={atMs} />
      </>
    )
  if (by === MERE_WORDS)
    return (
      <>
        . Its words changed and nothing else, <Time atMs={atMs} />; it only reads, so nobody was asked
      </>
    )
  return (
    <>
      , accepted by {visible(by.replace(/^person:/, ''))}, <Time atMs={atMs} />
    </>
  )
}

function Why({ tool: { evidence } }: { tool: ToolReview }) {
  return (
    <section aria-labelledby="why">
      <h2 id="why">Why it is there</h2>
      {evidence.length === 0 ? (
        <p>Nothing says what it does, and what nobody knows is critical.</p>
      ) : (
        <ul class="why-list">
          {evidence.map(({ field, quote, reason }) => (
            <li>
              <q translate="no">{visible(quote)}</q> in <span translate="no">{visible(placeOf(field))}</span>:{' '}
              {reason}
            </li>
          ))}
        </ul>
      )}
    </section>
  )
}

/** `inputSchema/properties/sql` reads better as `argument sql`. */
function placeOf(field: string): string {
  const argument = /\/properties\/([^/]+)$/.exec(field)?.[1]
  return argument === undefined ? field : `argument ${argument}`
}

function Attacks({ tool: { attacks } }: { tool: ToolReview }) {
  if (attacks.length === 0) return null
  return (
    <section aria-labelledby="attacks">
      <h2 id="attacks">Attacks that use such access</h2>
      <dl class="attacks">
        {attacks.map(({ name, what, helps }) => (
          <div>
            <dt>{name}</dt>
            <dd>{what}</dd>
            <dd class="helps">{helps}</dd>
          </div>
        ))}
      </dl>
    </section>
  )
}

function Beside({ tool: { pin, related, readyPolicies } }: { tool: ToolReview }) {
  return (
    <section aria-labelledby="beside">
      <h2 id="beside">Beside it</h2>
      {related.length > 0 && (
        <p>
          Tools that can do the same kind of thing:{' '}
          {related.map((name, index) => (
            <>
              {index > 0 && ', '}
              <a href={`./${name}`} translate="no">
                {visible(name)}
              </a>
            </>
          ))}
        </p>
      )}
      <p>
        {readyPolicies.length === 0 ? (
          'No policy that comes with Holdpoint names it.'
        ) : (
          <>
            Ready policies that name it:{' '}
            {readyPolicies.map((file, index) => (
              <>
                {index > 0 && ', '}
                <code>{file}</code>
              </>
            ))}
            . <code>{`${CLI} policy apply <file> --server ${pin.server}`}</code> shows what one would do.
          </>
        )}
      </p>
    </section>
  )
}

export function Difference({ tool: { pin, difference, isCut } }: { tool: ToolReview }) {
  const more = isCut && (
    <p class="note">
      … and more, which is too long for a page:{' '}
      <code>{`${CLI} tools diff ${pin.server} ${pin.tool} --json`}</code>
    </p>
  )
  if (pin.accepted === null) {
    return (
      <details class="more" open>
        <summary>New: its whole definition</summary>
        <Lines lines={difference} />
        {more}
      </details>
    )
  }
  return (
    <>
      <Lines lines={difference} />
      {more}
    </>
  )
}

const Lines = ({ lines }: { lines: readonly DiffLine[] }) => (
  <dl class="diff" translate="no">
    {lines.map(({ path, before, after }) => (
      <div>
        <dt>{visible(path)}</dt>
        {before !== null && (
          <dd>
            <del>{visible(before)}</del>
          </dd>
        )}
        {after !== null && (
          <dd>
            <ins>{visible(after)}</ins>
          </dd>
        )}
      </div>
    ))}
  </dl>
)

/** Names the digest of what is shown, so that nobody accepts what they have not seen. */
export function AcceptTool({
  tool: { pin, isCut },
  reader,
  action,
}: {
  tool: ToolReview
  reader: Reader
  action: string
}) {
  // What was not shown in full is not accepted here.
  if (pin.waiting === null || isCut) return null
  return (
    <form method="post" action={action} class="accept">
      <FormToken token={reader.token} />
      <div class="buttons">
        <button type="submit" name="digest" value={pin.waiting.digest} class="yes">
          Accept it
        </button>
        {pin.accepted !== null && (
          <button type="submit" name="digest" value={pin.accepted.digest}>
            Keep what was
          </button>
        )}
      </div>
    </form>
  )
}
