/** What an agent reads of the answer to a call that people had edited. */
import { describe, expect, test } from 'vitest'
import { defaultTimings } from '../../src/domain/timings.ts'
import { settledAnswer } from '../../src/mcp/downstream/replies.ts'
import { anApproval } from '../support/builders.ts'
import { ended, outcomes } from './downstream-harness.ts'

const { approval } = anApproval({ call: { arguments: { name: 'acme/test' } } })
const asked = anApproval({ call: { arguments: { name: 'acme/shop' } } }).approval.proposed
const edited = {
  ...approval,
  edits: [
    {
      by: 'mina',
      via: 'slack' as const,
      reason: 'the test one',
      atMs: 0,
      replaced: { canonicalParams: asked.canonicalParams, digest: asked.digest },
    },
  ],
}
const { coolDownMs } = defaultTimings
const answerTo = (text: string, kind: 'result' | 'error' = 'result', call = edited) =>
  settledAnswer(ended(call, outcomes.answered(kind)), text, 'legacy', coolDownMs).text

describe('an edited call', () => {
  test('is answered with what was changed, in words and as data, before what the upstream said', () => {
    const told = JSON.parse(answerTo('{"content":[{"type":"text","text":"deleted"}],"_meta":{"x":1}}'))
    expect(told.content).toHaveLength(2)
    expect(told.content[0].text).toContain('WITH OTHER ARGUMENTS than you asked for')
    expect(told.content[0].text).toContain('mina changed them and said: "the test one"')
    expect(told.content[0].text).toContain('/arguments/name')
    expect(told.content[1]).toEqual({ type: 'text', text: 'deleted' })
    expect(told._meta).toMatchObject({
      x: 1,
      'dev.holdpoint/approval': {
        id: edited.id,
        outcome: 'answered',
        edited: { by: 'mina', differs: ['/arguments/name'], arguments: { name: 'acme/test' } },
      },
    })
  })

  test('leaves the structured content byte for byte', () => {
    const structured = '{"big":9007199254740993, "e":1.0e2,"\\u0061":[ ]}'
    const text = answerTo(`{"structuredContent":${structured},"content":[]}`)
    expect(text).toContain(`"structuredContent":${structured}`)
    expect(JSON.parse(text).content).toHaveLength(1)
  })

  test('is told in an error as well, whatever the error carries', () => {
    for (const data of ['', ',"data":{"y":2}', ',"data":[1]', ',"data":null']) {
      const error = JSON.parse(answerTo(`{"code":-32000,"message":"no such repository"${data}}`, 'error'))
      expect(error.code).toBe(-32000)
      expect(error.message).toMatch(/OTHER ARGUMENTS.*no such repository$/s)
    }
    const error = JSON.parse(answerTo('{"code":1,"message":"m","data":{"y":2}}', 'error'))
    expect(error.data).toMatchObject({ y: 2, 'dev.holdpoint/approval': { edited: { by: 'mina' } } })
  })

  test('without content, or with something that is none, is still an answer', () => {
    expect(JSON.parse(answerTo('{}')).content).toHaveLength(1)
    expect(JSON.parse(answerTo('{"content":"odd"}'))).toMatchObject({ content: 'odd', _meta: {} })
    expect(answerTo('"odd"')).toBe('"odd"')
  })
})

test('a call that was not edited, or whose edit was taken back, is answered with the very bytes', () => {
  const text = '{"content":[],  "structuredContent":{"a":1.0}}'
  expect(answerTo(text, 'result', { ...approval, edits: [] })).toBe(text)
  const back = { ...edited, proposed: { ...edited.proposed, canonicalParams: asked.canonicalParams } }
  expect(answerTo(text, 'result', back)).toBe(text)
})
