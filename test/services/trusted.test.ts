/** A server marked as trusted: its annotations are believed wherever its tools are looked at, and only where it is marked. */
import { describe, expect, test } from 'vitest'
import { createMemoryToolPins } from '../support/memory-tool-pins.ts'
import { aSetUpGateway } from '../support/set-ups.ts'

/** By its words a change; the server says that it only reads. */
const listed = {
  name: 'update_view',
  description: 'Update the view of a page.',
  inputSchema: { type: 'object' },
  annotations: { readOnlyHint: true },
}
/** Nothing but the annotation says what it does. */
const wordless = { name: 'xyzzy', inputSchema: { type: 'object' }, annotations: { readOnlyHint: true } }
const deleting = {
  name: 'delete_page',
  description: 'Delete a page.',
  inputSchema: { type: 'object' },
  annotations: { readOnlyHint: true },
}
const tools = [listed, wordless, deleting]

async function aGateway(trusted: readonly string[], pins = createMemoryToolPins(() => 0)) {
  const gateway = await aSetUpGateway({ pins, trusted })
  return { ...gateway, facts: (tool: string) => gateway.tools.facts('shop', tool) }
}

describe('a server that is marked as trusted', () => {
  test('is believed by the policy, on the page of its tools, and in the policy that is proposed for it', async () => {
    const { saw, facts, toolReviews, setUps } = await aGateway(['shop'])
    await saw('shop', tools)
    expect(facts('update_view')).toEqual({ category: 'read', risk: 'low' })
    expect(facts('xyzzy')).toEqual({ category: 'read', risk: 'low' })
    expect(toolReviews.show('shop', 'update_view')).toMatchObject({
      ...{ category: 'read', risk: 'low' },
      evidence: expect.arrayContaining([expect.objectContaining({ rule: 'trusted-hint' })]),
    })
    const gets = setUps.show('shop')?.proposal?.tools.map(({ tool, gets }) => [tool, gets])
    expect(gets).toEqual([
      ['delete_page', 'ask'],
      ['update_view', 'allow'],
      ['xyzzy', 'allow'],
    ])
  })

  test('is not believed against words of destruction', async () => {
    const { saw, facts } = await aGateway(['shop'])
    await saw('shop', tools)
    expect(facts('delete_page')).toMatchObject({ category: 'destructive' })
  })

  test('before its list was read to its end as well', async () => {
    const { tools: catalogue, facts } = await aGateway(['shop'])
    catalogue.saw('shop', tools, false)
    await catalogue.settled()
    expect(facts('update_view')).toEqual({ category: 'read', risk: 'low' })
  })

  test('has other words of such a tool pass with a notice, and another annotation wait', async () => {
    const { saw, tools: catalogue } = await aGateway(['shop'])
    await saw('shop', tools)
    await saw('shop', [{ ...listed, description: 'Update the view of a wiki page.' }, wordless, deleting])
    expect(catalogue.quarantineOf('shop', 'update_view')).toBeNull()
    await saw('shop', [{ ...listed, annotations: {} }, wordless, deleting])
    expect(catalogue.quarantineOf('shop', 'update_view')).not.toBeNull()
    expect(catalogue.facts('shop', 'update_view')).toMatchObject({ category: 'write' })
  })
})

test.each([
  ['no other server is marked', ['wiki']],
  ['nothing is marked', []],
])('where %s, the words alone count', async (_, trusted) => {
  const { saw, facts, toolReviews, setUps } = await aGateway(trusted)
  await saw('shop', tools)
  expect(facts('update_view')).toMatchObject({ category: 'write' })
  expect(facts('xyzzy')).toEqual({ category: null, risk: 'critical' })
  expect(toolReviews.show('shop', 'update_view')?.category).toBe('write')
  expect(setUps.show('shop')?.proposal?.tools.map(({ gets }) => gets)).toEqual(['ask', 'ask', 'ask'])
})

test('trust ends with its line: what the ledger keeps are the words, whichever gateway saw the tool first', async () => {
  const pins = createMemoryToolPins(() => 0)
  const trusting = await aGateway(['shop'], pins)
  await trusting.saw('shop', tools)
  const careful = await aGateway([], pins)
  expect(careful.facts('update_view')).toMatchObject({ category: 'write' })
  expect(careful.facts('xyzzy')).toEqual({ category: null, risk: 'critical' })
  const [kept] = (await pins.all()).filter(({ tool }) => tool === 'update_view')
  expect(kept?.accepted).toMatchObject({ category: 'write' })
  await careful.saw('shop', [...tools, { ...wordless, name: 'plugh' }])
  await trusting.tools.refresh()
  expect(trusting.facts('plugh')).toEqual({ category: 'read', risk: 'low' })
  expect(trusting.tools.quarantineOf('shop', 'plugh')).not.toBeNull()
})
