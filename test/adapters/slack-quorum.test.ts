/** Several yeses in Slack: the card counts them, nobody counts twice, and whoever is asked next is called. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { aSlackWorld, type SlackWorld } from './slack-world.ts'

let world: SlackWorld
beforeAll(async () => {
  world = await aSlackWorld({ mode: 'http', gateways: 2 })
  await world.link('mina')
  await world.link('lee')
  await world.link('jun')
})
afterAll(() => world.close())

const approvers = { groups: ['ops'], people: ['lee'], selfConfirm: false }
const two = { approvers, terms: { stages: [{ groups: ['ops'], people: ['lee'], quorum: 2 }] } }
const inTurn = {
  approvers,
  terms: {
    stages: [
      { groups: ['ops'], people: [], quorum: 1 },
      { groups: [], people: ['lee'], quorum: 1 },
    ],
  },
}
const told = (user: string, words: string) =>
  world.slack.waitForEphemeral((one) => one.user === user && one.text.includes(words))

describe('two yeses', () => {
  test('are counted on the card, each of another person, and the second runs it', async () => {
    const { id } = await world.ask(two)
    await world.cardSaying(id, '0 of 2 approved; waiting for two of ops or lee')
    await world.click(id, 'approve', world.users.mina)
    await told(world.users.mina, 'Your yes counts. 1 of 2 approved (mina)')
    const half = await world.cardSaying(id, '1 of 2 approved (mina); waiting for one more of ops or lee')
    expect(world.slack.buttons(half).map(({ text }) => text)).toEqual(['Approve', 'Deny', 'Take my yes back'])
    // Again, through the other gateway: no news, and no second yes.
    world.useGateway(1)
    await world.click(id, 'approve', world.users.mina)
    expect(await world.statusOf(id)).toMatchObject({ status: 'pending', version: 2 })
    await world.click(id, 'approve', world.users.lee)
    expect(await world.statusOf(id)).toMatchObject({
      status: 'approved',
      decision: { by: 'lee', with: ['mina'], via: 'slack' },
    })
    await world.cardSaying(id, 'Approved by mina and lee')
    world.useGateway(0)
  })

  test('can be taken back by who gave it, and by nobody else', async () => {
    const { id } = await world.ask(two)
    await world.click(id, 'approve', world.users.mina)
    await world.cardSaying(id, '1 of 2 approved')
    await world.click(id, 'take-back', world.users.lee)
    await told(world.users.lee, 'no yes of yours')
    await world.click(id, 'take-back', world.users.mina)
    await told(world.users.mina, 'Your yes does not count any more. 0 of 2 approved')
    const card = await world.cardSaying(id, '0 of 2 approved')
    expect(world.slack.buttons(card).map(({ text }) => text)).toEqual(['Approve', 'Deny'])
  })

  test('one no ends it', async () => {
    const { id } = await world.ask(two)
    await world.click(id, 'approve', world.users.mina)
    await world.click(id, 'reject', world.users.lee)
    await world.cardSaying(id, 'Denied by lee')
    expect(await world.statusOf(id)).toMatchObject({ outcome: { kind: 'rejected' } })
  })

  test('the owner of the agent never counts', async () => {
    const { id } = await world.ask({ ...two, approvers: { ...approvers, people: ['lee', 'jun'] } })
    await world.click(id, 'approve', world.users.jun)
    await told(world.users.jun, 'somebody else has to decide')
    expect(await world.statusOf(id)).toMatchObject({ version: 1 })
  })
})

test('the second stage is called when the first is complete, and told politely before', async () => {
  const { id } = await world.ask(inTurn)
  await world.click(id, 'approve', world.users.lee)
  await told(world.users.lee, 'It is not your turn yet. Stage 1 of 2: 0 of 1 approved')
  await world.click(id, 'approve', world.users.mina)
  await world.cardSaying(id, 'Stage 2 of 2: 0 of 1 approved; waiting for one of lee')
  expect(await world.statusOf(id)).toMatchObject({ nudges: [{ kind: 'stage' }] })
  await world.click(id, 'approve', world.users.lee)
  await world.cardSaying(id, 'Approved by mina and lee')
})
