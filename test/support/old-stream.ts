/** The stream of an HTTP+SSE client (MCP 2024-11-05), as bare as it is: for what an SDK would hide. */
import { readEvents } from '../../src/mcp/sse.ts'
import type { RawAnswer } from '../traps/raw-client.ts'

const WAIT_MS_MAX = 30_000

/** One stream, and the messages on it. @param lastEventId of an earlier stream */
export async function openOldStream(url: string, token: string, lastEventId: string | null) {
  const leaving = new AbortController()
  const authorization = `Bearer ${token}`
  const response = await fetch(url, {
    headers: {
      authorization,
      accept: 'text/event-stream',
      ...(lastEventId === null ? {} : { 'last-event-id': lastEventId }),
    },
    signal: leaving.signal,
  })
  const messages: string[] = []
  let endpoint: string | null = null
  let sealed: string | null = lastEventId
  let isOver = false
  let wake = () => {}
  void (async () => {
    try {
      if (response.body !== null)
        for await (const { type, data, id } of readEvents(response.body, { charactersMax: 1_000_000 })) {
          if (type === 'endpoint') endpoint = data
          else messages.push(data)
          sealed = id ?? sealed
          wake()
        }
    } catch {
      // Left, or cut.
    }
    isOver = true
    wake()
  })()

  async function until(isSo: () => boolean): Promise<void> {
    const untilMs = performance.now() + WAIT_MS_MAX
    while (!isSo() && !isOver && performance.now() < untilMs)
      await new Promise<void>((done) => {
        wake = done
        setTimeout(done, 1_000)
      })
  }

  const post = async (body: string): Promise<number> => {
    const posted = await fetch(new URL(endpoint ?? '/nowhere', url), {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      body,
    })
    await posted.text()
    return posted.status
  }

  await until(() => endpoint !== null)
  return {
    post,
    /** Where messages go. */
    endpoint: () => endpoint ?? '',
    /** What a later stream has to name to go on. */
    sealed: () => sealed,
    isOver: () => isOver,
    leave: () => leaving.abort(),
    /** Posts a request and waits for its answer on the stream. */
    async ask(rawId: string, body: string): Promise<RawAnswer> {
      const status = await post(body)
      const isAnswer = (message: string) =>
        /"(result|error)":/.test(message) && message.includes(`"id":${rawId}`)
      if (status < 400) await until(() => messages.some(isAnswer))
      return { status, headers: new Headers(), messages: messages.filter(isAnswer) }
    },
  }
}
