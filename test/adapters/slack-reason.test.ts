/** A rule that asks for a reason, in Slack: the button opens a question, and only its answer decides. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ApprovalId } from '../../src/domain/approval-id.ts'
import { aSlackWorld, type SlackWorld } from './slack-world.ts'

let world: SlackWorld
beforeAll(async () => {
  world = await aSlackWorld({ mode: 'http' })
  await world.link('mina')
  await world.link('lee')
})
afterAll(() => world.close())

const terms = { reasonRequired: true }
/** The view that a click opened for this person. */
async function opened(id: ApprovalId, answer: string) {
  await world.click(id, answer, world.users.mina)
  return world.slack.waitForView((view) => view.title.includes(id) && isOpen(view.id))
}
const shown = (view: Parameters<SlackWorld['slack']['buttons']>[0]) =>
  world.slack.textOf({ text: '', ...view })
const isOpen = (id: string) => world.slack.views(world.users.mina).some((view) => view.id === id)

describe('a question for a reason', () => {
  test.each([
    ['approve', 'Approve', { status: 'approved' }],
    ['reject', 'Deny', { status: 'settled', outcome: { kind: 'rejected' } }],
  ])('%s is recorded with what was written', async (answer, word, expected) => {
    const { id } = await world.ask({ terms })
    const view = await opened(id, answer)
    expect(await world.statusOf(id)).toMatchObject({ status: 'pending' })
    expect(shown(view)).toContain('delete_repository on github')
    const sent = await world.slack.submitView({
      viewId: view.id,
      user: world.users.mina,
      values: { reason: '  로그 확인함 & <ok>  ' },
    })
    expect(sent.result).toBe('closed')
    expect(await world.statusOf(id)).toMatchObject(expected)
    expect(JSON.stringify(await world.statusOf(id))).toContain('로그 확인함 & <ok>')
    await world.cardSaying(id, '“로그 확인함 & <ok>”')
    expect(word).toBe(answer === 'approve' ? 'Approve' : 'Deny')
  })

  test('a reason that says nothing is refused beside its field, and nothing is decided', async () => {
    const { id } = await world.ask({ terms })
    const view = await opened(id, 'reject')
    const sent = await world.slack.submitView({
      viewId: view.id,
      user: world.users.mina,
      values: { reason: '…' },
    })
    expect(sent.result).toBe('errors')
    expect(sent.errors.reason).toContain('asks for a reason')
    expect(await world.statusOf(id)).toMatchObject({ status: 'pending' })
  })

  test('an answer that comes when another call would be sent decides nothing', async () => {
    const { id, proposed } = await world.ask({ terms })
    const view = await opened(id, 'approve')
    const edited = await world.change(id, {
      kind: 'edit',
      ...{
        canonicalParams: '{"arguments":{"n":"other"},"name":"delete_repository"}',
        digest: proposed.digest,
      },
      ...{ nonce: 'fresh', by: 'mina', via: 'api', reason: null },
    })
    expect(edited.ok).toBe(true)
    const sent = await world.slack.submitView({
      viewId: view.id,
      user: world.users.mina,
      values: { reason: 'looks fine' },
    })
    expect(sent.result).toBe('updated')
    expect(shown(world.slack.views(world.users.mina).at(-1) ?? view)).toContain('Nothing was decided')
    expect(await world.statusOf(id)).toMatchObject({ status: 'pending' })
  })

  test('who may not decide is told so at once, without a question', async () => {
    const { id } = await world.ask({ terms })
    await world.click(id, 'approve', world.users.lee)
    await world.slack.waitForEphemeral(({ text }) => text.includes('not an approver'))
    expect(world.slack.views(world.users.lee)).toEqual([])
  })
})
