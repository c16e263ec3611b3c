/** Held streams that break: under which ids they go on, for whom, and at which gateway. */
import { describe, expect, test } from 'vitest'
import { aWorld } from '../support/world.ts'
import { call, messagesIn, usualHeaders } from './downstream-harness.ts'
import { aLadder, answerIn, as, sentTimes } from './downstream-ladder.ts'

const refund = call('delete', { arguments: { id: 7 }, _meta: { progressToken: 'p' } }, 'call-9')
const november = { 'mcp-protocol-version': '2025-11-25' }
const june = { 'mcp-protocol-version': '2025-06-18' }
const slow = { holdMs: 60_000, progressMs: 60_000 }

type Ladder = Awaited<ReturnType<typeof aLadder>>

/** Opens a call and breaks its stream once it has given an id. */
async function broken(ladder: Ladder, headers: Record<string, string> = november) {
  const response = await ladder.post(refund, headers)
  const reader = response.body?.getReader()
  let text = ''
  while (!/^id: .*\n(?:.|\n)*\n\n/m.test(text))
    text += Buffer.from((await reader?.read())?.value ?? []).toString()
  await reader?.cancel()
  const [, lastEventId = ''] = text.match(/^id: (.*)$/m) ?? []
  return { text, lastEventId }
}

const get = ({ request }: Ladder, lastEventId: string, headers: Record<string, string> = november) =>
  request('/mcp/github', {
    headers: { ...usualHeaders, accept: 'text/event-stream', ...headers, 'last-event-id': lastEventId },
  })

describe('a held stream', () => {
  test('of 2025-11-25 begins with an id to come back under, and says when', async () => {
    const { text } = await broken(await aLadder(undefined, { timings: slow }))
    expect(text).toMatch(/^: held for HP-\w+\n\nid: hpe1\.[\w-]+\nretry: 5000\ndata: \n\n/)
  })

  test('of earlier revisions has ids with what it says, and no event without a message', async () => {
    const { text } = await broken(await aLadder(undefined, { timings: slow }), june)
    expect(text).not.toContain('data: \n')
    expect(text).toMatch(/event: message\nretry: 5000\nid: hpe1\.[\w-]+\ndata: \{.*notifications\/progress/)
  })

  test('of 2024-11-05 has none: it cannot be resumed', async () => {
    const ladder = await aLadder(undefined, { timings: { ...slow, holdMs: 30 } })
    const response = await ladder.post(refund, { 'mcp-protocol-version': '2024-11-05' })
    expect(await response.text()).not.toContain('hpe1')
  })

  test('goes on at another gateway: progress goes up, and the answer is to the first request', async () => {
    const world = aWorld()
    const first = await aLadder(world, { timings: slow })
    const { text, lastEventId } = await broken(first, june)
    await world.ledger.dropLease('gateway-1')
    const second = await aLadder(world, { node: 'gateway-2', timings: { ...slow, progressMs: 5 } })
    const resumed = await get(second, lastEventId, june)
    expect(resumed.headers.get('content-type')).toBe('text/event-stream')
    await progressIn(resumed.clone(), 2)
    await second.gateway.decide(await second.pendingId())
    const rest = await resumed.text()
    expect(answerIn(rest)).toEqual({ jsonrpc: '2.0', id: 'call-9', result: { content: [] } })
    const progress = [...messagesIn(text), ...messagesIn(rest)].flatMap(
      (message) => Object(message).params?.progress ?? [],
    )
    expect(progress.length).toBeGreaterThan(2)
    expect(progress).toEqual([...new Set(progress)].sort((a, b) => a - b))
    await sentTimes(world, 1)
  })

  test('gives an outcome that came meanwhile at once, and each of its ids leads to it', async () => {
    const ladder = await aLadder(undefined, { timings: slow })
    const { lastEventId } = await broken(ladder)
    const again = ladder.post(refund, november)
    await ladder.gateway.decide(await ladder.pendingId())
    expect(answerIn(await (await again).text())).toMatchObject({ result: { content: [] } })
    expect(answerIn(await (await get(ladder, lastEventId)).text())).toMatchObject({ id: 'call-9' })
    await sentTimes(ladder.world, 1)
  })

  test('is nobody else’s, and no id that was changed, cut or made up leads anywhere', async () => {
    const ladder = await aLadder(undefined, { timings: slow })
    const { lastEventId } = await broken(ladder)
    await ladder.gateway.decide(await ladder.pendingId(), 'reject')
    const texts = new Set<string>()
    const refused = async (id: string, headers: Record<string, string> = november) => {
      const response = await get(ladder, id, headers)
      expect(response.status).toBe(400)
      texts.add(await response.text())
    }
    await refused(lastEventId, { ...november, ...as('other') })
    for (let at = 'hpe1.'.length; at < lastEventId.length; at += 7) {
      const other = lastEventId.charAt(at) === 'A' ? 'B' : 'A'
      await refused(`${lastEventId.slice(0, at)}${other}${lastEventId.slice(at + 1)}`)
    }
    await refused(lastEventId.slice(0, -1))
    await refused('hpe1.')
    await refused('hpe1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA')
    expect(texts.size).toBe(1)
    expect(ladder.exchanges).toEqual([])
  })

  test('whose id is the upstream’s goes on there', async () => {
    const ladder = await aLadder()
    await get(ladder, '42')
    expect(ladder.exchanges).toMatchObject([{ method: 'GET', headers: { 'last-event-id': '42' } }])
  })

  test('is not answered by a gateway that stops, if its client comes back by itself', async () => {
    const ladder = await aLadder(undefined, { timings: slow })
    const [november25, june18] = [await ladder.post(refund, november), await ladder.post(refund, june)]
    await ladder.pendingId()
    ladder.gateway.stop.abort()
    expect(messagesIn((await november25.text()).replaceAll('data: \n', ''))).not.toContainEqual(
      expect.objectContaining({ id: 'call-9' }),
    )
    expect(answerIn(await june18.text())).toMatchObject({ id: 'call-9', result: { isError: true } })
  })
})

/** Reads until it has had so much progress. */
async function progressIn(response: Response, count: number): Promise<void> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  for (let heard = ''; heard.split('notifications/progress').length <= count; ) {
    const piece = await reader?.read()
    if (piece?.value === undefined) throw new Error(`it ended: ${heard}`)
    heard += piece.value
  }
}
