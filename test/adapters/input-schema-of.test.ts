/** What a tool takes is known as soon as its server's list was read, and not before. */
import { expect, test } from 'vitest'
import { seenTool } from '../../src/domain/risk/drift.ts'
import { createInputSchemaOf } from '../../src/launch/input-schema-of.ts'

const listed = { name: 'route', inputSchema: { properties: { region: { 'x-mcp-header': 'Region' } } } }
const seen = [listed, { name: 'bare' }].flatMap((one) => seenTool(one) ?? [])

function over(writtenAfterLooks: number) {
  let looks = 0
  const sleep = async () => void looks++
  const known = (server: string) => (server === 'pay' && looks >= writtenAfterLooks ? seen : [])
  return { of: createInputSchemaOf({ known, settled: async () => {} }, { sleep }), looks: () => looks }
}

test('it is what the server listed', async () => {
  const { of, looks } = over(0)
  expect(await of('pay', 'route')).toEqual(listed.inputSchema)
  expect(await of('pay', 'bare')).toBeUndefined()
  expect(looks()).toBe(0)
})

test('a list that is just being written is waited for', async () => {
  expect(await over(3).of('pay', 'route')).toEqual(listed.inputSchema)
})

test('what no list has is not waited for without end', async () => {
  const { of, looks } = over(0)
  expect(await of('other', 'route')).toBeUndefined()
  expect(looks()).toBe(10)
})
