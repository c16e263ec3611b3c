/** A stream that has its answer passes untouched; one that ends without gets one, unless its client can come back for it. */
import { describe, expect, test } from 'vitest'
import { answeredOnce } from '../../src/mcp/downstream/answered-once.ts'

const missing = (reason: string) => JSON.stringify({ id: 1, error: { code: -1, message: reason } })

function streamOf(chunks: readonly string[], end: 'close' | 'break'): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(new TextEncoder().encode(chunk))
      if (end === 'close') controller.close()
      // After what was written has been read.
      else setTimeout(() => controller.error(new Error('reset')), 20)
    },
  })
}

const passed = (chunks: readonly string[], { end = 'close', isResumable = true }: Options = {}) =>
  new Response(answeredOnce(streamOf(chunks, end), { missing, isResumable })).text()
interface Options {
  readonly end?: 'close' | 'break'
  readonly isResumable?: boolean
}

const progress =
  'event: message\ndata: {"method":"notifications/progress","params":{"result":1,"error":{}}}\n\n'

describe('a stream with its answer', () => {
  test.each([
    ['as SDKs write it', 'event: message\ndata: {"result":{"a":[{"b":"}"}]},"jsonrpc":"2.0","id":1}\n\n'],
    ['with the answer at the end of the message', 'data: {"id":1,"x":"\\"result\\":","result":{}}\n\n'],
    ['an error', 'data: {"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"\\\\"}}\n\n'],
    ['over several lines', 'data: {\ndata:  "id": 1,\ndata:  "result" : {}\ndata: }\n\n'],
    ['with CRLF', 'event: message\r\ndata: {"id":1,\r\ndata: "result":{}}\r\n\r\n'],
    ['with CR', 'data: {"id":1,\rdata: "result":{}}\r\r'],
    ['without a last line break', 'data: {"id":1,"result":{"한":"국"}}'],
  ])('is not disturbed, wherever its chunks are cut', async (_name, answer) => {
    const text = `: hello\n\n${progress}${answer}`
    for (let cut = 1; cut < text.length; cut++)
      expect(await passed([text.slice(0, cut), text.slice(cut)])).toBe(text)
  })
})

describe('a stream without its answer', () => {
  test.each([
    ['no event', ''],
    ['progress', progress],
    ['half of one', 'data: {"id":1,"resu'],
    ['a question of the server', 'data: {"id":"s","method":"roots/list"}\n\n'],
  ])('gets one after %s', async (_name, text) => {
    for (const end of ['close', 'break'] as const) {
      const all = await passed([text], { end })
      expect(all.startsWith(text)).toBe(true)
      expect(all.match(/^data: \{"id":1,"error"/gm)).toHaveLength(1)
      expect(all.endsWith('\n\n')).toBe(true)
    }
  })

  test('is left to the client that can resume it', async () => {
    const text = 'id: 7\ndata: \n\n'
    expect(await passed([text])).toBe(text)
    await expect(passed([text], { end: 'break' })).rejects.toThrow()
    expect(await passed([text], { isResumable: false })).toContain('"error"')
  })
})
