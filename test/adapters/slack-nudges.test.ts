/** Reminders and escalation in Slack: new messages in the card's thread, which mention people; the card says the same in place. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Approval } from '../../src/domain/approval.ts'
import { aSlackWorld, type SlackWorld } from './slack-world.ts'

let world: SlackWorld
beforeAll(async () => {
  world = await aSlackWorld({ mode: 'http', publicUrl: 'https://holdpoint.example.com' })
  await world.link('mina')
  await world.link('jun')
})
afterAll(() => world.close())

const leads = { groups: ['leads'], people: [] }
/** Due as soon as they are asked. */
const now = 1
/** Not while a test runs, and before the deadline. */
const later = 55_000

async function nudged(approval: Approval) {
  const { ts } = await world.card(approval.id)
  expect(await world.change(approval.id, { kind: 'nudge' })).toMatchObject({ ok: true })
  const inThread = () => world.slack.messages().filter((one) => one.threadTs === ts)
  const message = await world.slack.waitForMessage((one) => one.threadTs === ts)
  return { ts, message, text: world.slack.textOf(message), inThread }
}

describe('a reminder', () => {
  test('mentions those who may decide, says what waits and until when, and shows no arguments', async () => {
    const approval = await world.ask({ args: { secret: 'hunter2' }, terms: { remindersMs: [now] } })
    const { message, text } = await nudged(approval)
    expect(JSON.stringify(message.blocks)).toContain(`"user_id":"${world.users.mina}"`)
    expect(JSON.stringify(message.blocks)).not.toContain(world.users.jun)
    expect(message.text).toMatch(
      new RegExp(
        `^<@${world.users.mina}> Still waiting: delete_repository on github \\(${approval.id}\\), for \\d+ s$`,
      ),
    )
    expect(text).toContain('Decide by: ')
    expect(text).toContain('without a decision it expires and nothing is sent')
    expect(JSON.stringify(message)).not.toContain('hunter2')
    expect(JSON.stringify(message.blocks)).toContain(`https://holdpoint.example.com/approvals/${approval.id}`)
  })

  test('says how many it does not mention, because they have linked no account', async () => {
    const approvers = { groups: ['ops'], people: ['lee'], selfConfirm: false }
    const { text } = await nudged(await world.ask({ approvers, terms: { remindersMs: [now] } }))
    expect(text).toContain('Not mentioned here: 1 more who may decide')
  })

  test('comes once, and the card says when it came', async () => {
    const approval = await world.ask({ terms: { remindersMs: [now] } })
    const { inThread } = await nudged(approval)
    await Promise.all(Array.from({ length: 5 }, () => world.postNudges(approval.id)))
    expect(inThread()).toHaveLength(1)
    await world.cardSaying(approval.id, 'Reminders: sent ')
  })

  test('a yes on the card from before it counts', async () => {
    const approval = await world.ask({ terms: { remindersMs: [now] } })
    const before = await world.card(approval.id)
    await nudged(approval)
    await world.slack.click({
      channel: world.channel,
      ts: before.ts,
      actionId: 'approve',
      user: world.users.mina,
    })
    expect(await world.statusOf(approval.id)).toMatchObject({ status: 'approved' })
  })

  test('a name that is hostile stays text', async () => {
    const tool = 'x<!channel>'
    const { message } = await nudged(await world.ask({ tool, terms: { remindersMs: [now] } }))
    expect(message.text).toContain('x&lt;!channel&gt; on github')
  })

  test('while Slack is away none is lost, and none comes twice afterwards', async () => {
    const approval = await world.ask({ terms: { remindersMs: [now] } })
    const { ts } = await world.card(approval.id)
    await world.slack.down()
    expect(await world.change(approval.id, { kind: 'nudge' })).toMatchObject({ ok: true })
    await expect
      .poll(() => world.logged.some((line) => line.startsWith('reminders wait for their channel')))
      .toBe(true)
    await world.slack.up()
    await world.slack.waitForMessage((one) => one.threadTs === ts)
    await world.postNudges(approval.id)
    expect(world.slack.messages().filter((one) => one.threadTs === ts)).toHaveLength(1)
  })

  test('none comes after the decision, also where Slack was away until then', async () => {
    const approval = await world.ask({ terms: { remindersMs: [now] } })
    const { ts } = await world.card(approval.id)
    await world.slack.down()
    await world.change(approval.id, { kind: 'nudge' })
    const decision = {
      kind: 'reject',
      by: 'mina',
      reason: null,
      digest: approval.proposed.digest,
      via: 'cli',
    } as const
    await world.change(approval.id, { kind: 'decide', decision })
    await world.slack.up()
    await world.cardSaying(approval.id, 'Denied by mina')
    await world.postNudges(approval.id)
    expect(world.slack.messages().filter((one) => one.threadTs === ts)).toEqual([])
  })
})

describe('an escalation', () => {
  test('before it, a click is told when it would count; the card says who follows and when', async () => {
    await world.link('lee')
    const approval = await world.ask({ terms: { escalation: [{ afterMs: later, ...leads }] } })
    const card = await world.card(approval.id)
    expect(world.slack.textOf(card)).toContain('Escalation: from ')
    expect(world.slack.textOf(card)).toContain('also anyone in leads')
    await world.click(approval.id, 'approve', world.users.lee)
    const told = await world.slack.waitForEphemeral(
      (one) => one.user === world.users.lee && one.text.startsWith('Nothing was decided'),
    )
    expect(told.text).toMatch(/Nothing was decided\. You may decide about this in \d+ s \(from .* UTC\)/)
    expect(await world.statusOf(approval.id)).toMatchObject({ status: 'pending' })
  })

  test('calls the new ones only, whose click then counts', async () => {
    const approval = await world.ask({ terms: { escalation: [{ afterMs: now, ...leads }] } })
    const { message, text } = await nudged(approval)
    expect(JSON.stringify(message.blocks)).toContain(world.users.lee)
    expect(JSON.stringify(message.blocks)).not.toContain(world.users.mina)
    expect(text).toContain('You may decide now: delete_repository on github')
    await world.cardSaying(approval.id, 'since ')
    await world.click(approval.id, 'approve', world.users.lee)
    expect(await world.statusOf(approval.id)).toMatchObject({ status: 'approved', decision: { by: 'lee' } })
  })
})
