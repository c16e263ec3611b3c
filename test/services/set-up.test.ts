/** A server without a policy: one item however many gateways, a proposal judged by the evaluator itself, accepted once and by its digest. */
import { expect, test } from 'vitest'
import { textDigest } from '../../src/domain/revision.ts'
import { silentLog } from '../../src/launch/log.ts'
import { createPutInForce } from '../../src/services/put-in-force.ts'
import { approvers, aRevision, mina, owner } from '../support/builders.ts'
import { aSetUpGateway, shopTools } from '../support/set-ups.ts'

const offer = {
  ...{ server: 'shop', source: 'built-in', text: null, approvers },
  ...{ textOrigin: 'here:/holdpoint.yaml', approversOrigin: 'here:/holdpoint.yaml' },
}

test('what its tools would get is said by the evaluator, the strictest first, with the reason', async () => {
  const { setUps, saw } = await aSetUpGateway()
  expect(setUps.waiting()).toEqual(['shop', 'wiki'])
  expect(setUps.show('shop')).toEqual({ server: 'shop', proposal: null, problem: null })
  expect(setUps.show('wiki')?.problem).toContain('connection refused')
  expect(setUps.show('other')).toBeNull()
  await saw('shop', shopTools)
  const proposal = setUps.show('shop')?.proposal
  expect(proposal?.tools.map(({ tool, gets, risk }) => [tool, gets, risk])).toEqual([
    ['delete_order', 'ask', 'critical'],
    ['refund_payment', 'ask', 'critical'],
    ['get_order', 'allow', 'low'],
    ['list_orders', 'allow', 'low'],
  ])
  expect(proposal?.tools[0]?.why).toMatch(/^Critical, destructive: /)
  expect(proposal?.digest).toBe(textDigest(proposal?.text ?? ''))
})

test('accepting it makes revision 1 with the approvers of the configuration, at one of two gateways, once', async () => {
  const first = await aSetUpGateway()
  await first.saw('shop', shopTools)
  const second = await aSetUpGateway(first)
  const digest = first.setUps.show('shop')?.proposal?.digest ?? ''
  expect(second.setUps.show('shop')?.proposal?.digest).toBe(digest)
  expect(first.rules.of('shop')).toBeNull()

  expect(await first.setUps.accept('shop', digest, owner)).toEqual({
    ok: false,
    error: { reason: 'not_an_operator' },
  })
  expect(await first.setUps.accept('shop', 'f'.repeat(64), mina)).toMatchObject({
    error: { reason: 'proposal_changed' },
  })
  expect(await first.setUps.accept('wiki', digest, mina)).toMatchObject({
    error: { reason: 'tools_unknown' },
  })
  expect(await first.ledger.revisions.inForce()).toEqual(new Map())

  const both = await Promise.all([first, second].map(({ setUps }) => setUps.accept('shop', digest, mina)))
  expect(both.filter(({ ok }) => ok)).toEqual([{ ok: true, value: { number: 1 } }])
  expect(await first.ledger.revisions.get('shop', 1)).toMatchObject({
    ...{ source: 'scan of shop', approvers, approversOrigin: 'here:/holdpoint.yaml' },
    putBy: { kind: 'person', person: 'mina', restores: null },
  })
  await second.rules.refresh()
  for (const { setUps, rules } of [first, second]) {
    expect(setUps.waiting()).toEqual(['wiki'])
    expect(setUps.show('shop')).toBeNull()
    expect(rules.of('shop')?.revision).toBe(1)
  }
  expect(await second.setUps.accept('shop', digest, mina)).toMatchObject({ error: { reason: 'not_waiting' } })
})

test('a server whose tools are called what no policy takes as a key can be set up', async () => {
  const { setUps, saw } = await aSetUpGateway()
  const names = ['constructor', '__proto__', 'prototype', 'null', '1e3', '-', 'true']
  await saw('shop', [...shopTools, ...names.map((name) => ({ name, description: 'x' }))])
  const proposal = setUps.show('shop')?.proposal
  expect(proposal?.text).toContain('{ tools: constructor, action: require_approval')
  const asked = proposal?.tools.flatMap(({ tool, gets }) => (gets === 'ask' ? [tool] : []))
  expect(asked).toEqual(expect.arrayContaining(names))
  expect(await setUps.accept('shop', proposal?.digest ?? '', mina)).toMatchObject({ ok: true })
})

test('a tool that appears in between makes another proposal, which has to be looked at', async () => {
  const { setUps, saw } = await aSetUpGateway()
  await saw('shop', shopTools)
  const digest = setUps.show('shop')?.proposal?.digest ?? ''
  await saw('shop', [{ name: 'wipe_shop', description: 'Wipe the shop.' }])
  expect(await setUps.accept('shop', digest, mina)).toMatchObject({ error: { reason: 'proposal_changed' } })
  expect(setUps.show('shop')?.proposal?.tools.map(({ tool }) => tool)).toContain('wipe_shop')
})

test('a configuration without a policy puts nothing in force, and takes nothing back that a person accepted', async () => {
  const { ledger, setUps, saw, rules } = await aSetUpGateway()
  const putInForce = createPutInForce({ revisions: ledger.revisions, log: silentLog })
  expect(await putInForce(offer, { kind: 'file_at_start' })).toBeNull()
  await saw('shop', shopTools)
  await setUps.accept('shop', setUps.show('shop')?.proposal?.digest ?? '', mina)
  expect(await putInForce(offer, { kind: 'file_at_start' })).toBeNull()
  expect(rules.of('shop')?.revision).toBe(1)
})

test('what an earlier version put in force for a server without a policy waits to be set up as well', async () => {
  const { ledger, setUps, saw, rules } = await aSetUpGateway()
  await ledger.revisions.putInForce(aRevision(null, { server: 'shop', source: 'built-in' }), null)
  await rules.refresh()
  expect([rules.needsSetUp('shop'), rules.of('shop')]).toEqual([true, null])
  // What waits from before can still be decided about.
  expect(await rules.now('shop')).toMatchObject({ kind: 'rules' })
  await saw('shop', shopTools)
  const digest = setUps.show('shop')?.proposal?.digest ?? ''
  expect(await setUps.accept('shop', digest, mina)).toEqual({ ok: true, value: { number: 2 } })
})
