/** What a round asks and is answered: every request once, and those that nothing stands against with a result. */
import { readEvents } from '../../src/mcp/sse.ts'
import type { aPerson } from '../support/gateway-process.ts'
import { aRawClient, type RawAnswer } from '../traps/raw-client.ts'

export interface Site {
  readonly urls: readonly string[]
  readonly token: string
  readonly policyFile: string
  readonly person: ReturnType<typeof aPerson>
}

export interface Tally {
  /** Requests whose client waited for the answer. */
  asked: number
  /** Those that were not answered exactly once, each with what came instead. */
  readonly wrong: string[]
  /** Requests to which nothing but a result is right. */
  due: number
  /** Those of them that were refused instead. */
  readonly refused: string[]
}

/**
 * Of what should have had a result. On a machine that stands still for seconds a session is forgotten between two requests, or a
 * connection is given up; a kind of client, or a server, that gets nothing done is far more.
 */
export const isMostlyDone = ({ due, refused }: Tally): boolean => refused.length <= due / 10

export type Client = ReturnType<typeof aRawClient>

export const clientOf = ({ urls, token }: Site, at: number, server: string): Client =>
  aRawClient(`${urls[at % urls.length]}/mcp/${server}`, token)

/** An HTTP status that says no is an answer, too; whoever gets it has no JSON-RPC message to wait for. */
export async function answered(tally: Tally, rawId: string, request: Promise<RawAnswer>): Promise<RawAnswer> {
  tally.asked++
  const answer = await request
  const answers = answersTo(rawId, answer)
  if (answers.length !== 1 && !(answers.length === 0 && answer.status >= 400))
    tally.wrong.push(
      `${rawId}: HTTP ${answer.status}, ${answers.length} answers: ${answer.messages.join(' ')}`,
    )
  return answer
}

/** As `answered`, of a request to which nothing but a result is right. */
export async function succeeds(tally: Tally, rawId: string, request: Promise<RawAnswer>): Promise<RawAnswer> {
  tally.due++
  const answer = await answered(tally, rawId, request)
  if (!answersTo(rawId, answer).some((message) => message.includes('"result":')))
    tally.refused.push(`${rawId}: no result, but HTTP ${answer.status}: ${answer.messages.join(' ')}`)
  return answer
}

const answersTo = (rawId: string, { messages }: RawAnswer) =>
  messages.filter((message) => /"(result|error)":/.test(message) && message.includes(`"id":${rawId}`))

/** Sends and leaves before the answer. */
export async function cut(client: Client, body: string, headers: Record<string, string>): Promise<void> {
  const leaving = new AbortController()
  await client.send(body, headers, leaving.signal).catch(() => {})
  leaving.abort()
}

/** A legacy request during which the server asks the client something, which says yes. */
export async function askedMeanwhile(
  client: Client,
  body: string,
  headers: Record<string, string>,
): Promise<RawAnswer> {
  const response = await client.send(body, headers)
  const messages: string[] = []
  if (response.body !== null)
    for await (const { data } of readEvents(response.body, { charactersMax: 1_000_000 })) {
      if (data !== '') messages.push(data)
      const id = /"id":("[^"]+"|\d+)/.exec(data)?.[1]
      if (id !== undefined && data.includes('"method":"elicitation/create"'))
        await client.post(
          `{"jsonrpc":"2.0","id":${id},"result":{"action":"accept","content":{"name":"Kim"}}}`,
          headers,
        )
    }
  return { status: response.status, headers: response.headers, messages }
}
