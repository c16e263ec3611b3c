/** What proxies for MCP get wrong, each with the tests that prove that this one does not. */

export interface Trap {
  readonly trap: string
  /** How it shows. */
  readonly otherwise: string
  /** Test files under `test/`, and the titles of tests in them. */
  readonly proofs: Readonly<Record<string, readonly string[]>>
}

export const traps: readonly Trap[] = [
  {
    trap: 'What a server says before its client listens is dropped',
    otherwise: 'a list has changed, and the client never looks at it again',
    proofs: {
      'traps/streams.test.ts': [
        'what a server says right after the handshake reaches the %s client',
        'it waits for a client that opens its stream late',
      ],
      'adapters/upstream-stdio.test.ts': ['what nobody reads is bounded: the oldest goes'],
    },
  },
  {
    trap: 'The last progress is lost or overtaken by the answer that comes with it',
    otherwise: 'a bar that never fills, or progress of a request that is over',
    proofs: {
      'traps/streams.test.ts': ['comes before it, from a server at %s'],
      'adapters/upstream-session.test.ts': [
        'a stream is read to the answer; what comes before passes, raw and in order',
      ],
    },
  },
  {
    trap: 'Ids and progress tokens change their type, or those of two clients meet',
    otherwise:
      'an answer that its client does not know, or somebody else’s; a cancel that ends the wrong call',
    proofs: {
      'traps/streams.test.ts': [
        '%s comes back as it went, in both eras',
        'of two clients on one process never meet, nor does what one of them cancels',
      ],
      'adapters/downstream-hold.test.ts': ['each receive their own outcome'],
    },
  },
  {
    trap: 'Sessions share one connection to the server',
    otherwise: 'log levels, questions and subscriptions of one client reach another',
    proofs: {
      'traps/sessions.test.ts': [
        'what one sets or is asked, the other does not notice',
        'a session at a URL is named there by the id that the server gave, and by no other',
      ],
      'e2e/transparency.test.ts': ['a session belongs to the principal that opened it'],
    },
  },
  {
    trap: 'A request whose server ends, breaks off or says nothing is never answered',
    otherwise: 'a client that waits for its own time-out, which may be a day',
    proofs: {
      'traps/streams.test.ts': [
        'does this: %s',
        'answers with HTTP alone: %s',
        'answers well',
        'is a process that ends, for all that were open',
        'has forgotten the session: 404, which tells the client to open another',
        'breaks off, so that the %s client does not wait for its own time-out',
      ],
      'adapters/answered-once.test.ts': [
        'is not disturbed, wherever its chunks are cut',
        'is left to the client that can resume it',
      ],
    },
  },
  {
    trap: 'A time-out or a buffer in between cuts or holds back a stream',
    otherwise: 'a call that a person decides about after five minutes has no connection any more',
    proofs: {
      'traps/streams.test.ts': [
        'a server may keep still for as long as it likes, before its headers and after them',
        'no stream is held back by a proxy before us or packed by a server behind us',
      ],
      'adapters/downstream-hold.test.ts': ['keeps the connection alive with comments'],
    },
  },
  {
    trap: 'The server’s session is over when people have decided',
    otherwise: 'an approved call that fails, or one that is sent twice to be sure',
    proofs: {
      'faults/sending.test.ts': [
        'a session that the upstream has forgotten is replaced before the claim, and the call is sent once',
      ],
      'adapters/upstream-session.test.ts': [
        'a session that is gone is replaced before anything is sent, used for the call, and closed',
        'a session that is gone when it is sent on is not replaced',
      ],
    },
  },
  {
    trap: 'The result of a call of one era goes to a client of the other',
    otherwise: 'a client that refuses the result of a call that has run',
    proofs: {
      'traps/sessions.test.ts': [
        'is asked for anew, so that neither client gets a result of the other era’s shape',
      ],
      'adapters/downstream-hold.test.ts': ['gives a stored reply the result type that 2026-07-28 requires'],
    },
  },
  {
    trap: 'The gate judges something else than what is sent on',
    otherwise: 'a header, a batch, a repeated key or a rounded integer takes a critical call past people',
    proofs: {
      'adapters/downstream-door.test.ts': [
        'knows tools/call under every spelling',
        'judges the whole of a call, and of another request only what it is',
        'with two names, one escaped',
        'with an integer that rounds',
        'with another Mcp-Name',
        'with another Mcp-Name in base64',
        'with its version in the header only',
        'not when Mcp-Name is %s',
      ],
      'domain/strict-json.test.ts': ['refuses %s'],
      'e2e/modern.test.ts': ['a big integer in an approved result arrives digit for digit'],
    },
  },
  {
    trap: 'What runs is not what was approved',
    otherwise: 'another definition of the tool, other arguments or an answer that nobody saw',
    proofs: {
      'e2e/tool-drift.test.ts': [
        'a redefined tool waits on every gateway, its approval runs what it is now, and once accepted it passes again',
      ],
      'adapters/downstream-request-state.test.ts': [
        'each round gets another state, and the outcome comes once it is there, of one call',
        'it never passes to an upstream, also when the policy has come to allow the tool',
      ],
      'services/lifecycle.test.ts': [
        'when %s between decision and send, the approval is void and nothing is sent',
      ],
      'e2e/waiting.test.ts': [
        'what a server asks about an approved call is answered by a new call, which people approve again',
      ],
    },
  },
  {
    trap: 'Edited lists of tools break paging, caches or schemas',
    otherwise:
      'a page that is lost, a list for one client that a cache gives to all, results that fail their schema',
    proofs: {
      'adapters/downstream-tasks.test.ts': [
        'marks gated tools of 2025-11-25, and keeps their bytes otherwise',
      ],
      'adapters/downstream-wait-tool.test.ts': [
        'stands behind the tools of the last page, and on no page before',
      ],
      'adapters/downstream-forward.test.ts': ['makes a 2026-07-28 list private'],
    },
  },
  {
    trap: 'An error that is none ends a session or the gateway',
    otherwise: 'one client that leaves, or one bad header, and others are cut off',
    proofs: {
      'traps/sessions.test.ts': ['messages that are refused, and clients that leave in the middle'],
      'adapters/downstream-hold.test.ts': [
        'a client that leaves an upstream’s stream ends that exchange, without an outcry',
      ],
    },
  },
  {
    trap: 'Processes behind pipes outlive their session, or stop because nobody reads them',
    otherwise:
      'orphans of `npx`, a server that hangs in the middle of a log line, secrets in its environment',
    proofs: {
      'traps/sessions.test.ts': [
        'may say more on stderr than a pipe holds',
        'is no shell, and leads a process group of its own',
      ],
      'adapters/upstream-stdio.test.ts': [
        'takes its descendants along, even those that ignore polite signals',
        'that crashes takes its descendants along as well',
        'the server sees only the variables it needs and those configured',
        'that writes a line beyond the limit is ended',
      ],
    },
  },
  {
    trap: 'Leaving means the same in every revision',
    otherwise:
      'up to 2025-11-25 a lost connection cancels work; in 2026-07-28 a client that left is worked for',
    proofs: {
      'traps/sessions.test.ts': [
        'cancels nothing up to 2025-11-25: the server hears of no cancel, and the session goes on',
        'cancels the call in 2026-07-28',
        'never withdraws a call that people are asked about, in either era',
      ],
    },
  },
  {
    trap: 'A client is not told in its own words that a revision is not spoken',
    otherwise:
      'clients of two eras give up instead of trying the other; old ones choke on events without data',
    proofs: {
      'traps/sessions.test.ts': [
        'one that knows both, in front of %s',
        'an unknown one is refused with 400 and the revisions there are, so that the client can choose',
        'a held call of %s begins with an event without data: %s',
      ],
    },
  },
  {
    trap: 'Streamable HTTP is read too strictly, or its statuses are mixed up',
    otherwise: 'clients that send a short Accept get 406, and a session that is over is not opened again',
    proofs: {
      'traps/sessions.test.ts': [
        'Accept: %s is enough',
        'a notification is accepted with 202 and nothing else',
        'without a session: 400; with one that is over: 404, so that the client opens another (%s)',
        'DELETE reaches the server: its process ends, and a server at a URL is told',
      ],
    },
  },
]
