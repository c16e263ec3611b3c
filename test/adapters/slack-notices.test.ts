/** How people hear of outcomes in Slack: the owner by a direct message, whoever said yes to an unknown end by a mention. */
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Approval } from '../../src/domain/approval.ts'
import type { ApprovalEvent } from '../../src/domain/transition.ts'
import { aSlackWorld, type SlackWorld } from './slack-world.ts'

let world: SlackWorld
let pool: pg.Pool
beforeAll(async () => {
  world = await aSlackWorld({ mode: 'http', tells: true })
  pool = new pg.Pool({ connectionString: world.databaseUrl, max: 1 })
  await world.link('mina')
  await world.link('jun')
})
afterAll(async () => {
  await pool.end()
  await world.close()
})

const about =
  ({ id }: Approval, words: string) =>
  (message: Parameters<typeof world.slack.textOf>[0]) =>
    world.slack.textOf(message).includes(id) && world.slack.textOf(message).includes(words)
/** Not in the channel of the cards: the messages between the app and one person. */
const isDirect = (message: { readonly channel: string }) => message.channel !== world.channel
const told = (approval: Approval) =>
  world.slack.messages().filter((one) => isDirect(one) && world.slack.textOf(one).includes(approval.id))

async function through(approval: Approval, ...events: ApprovalEvent[]) {
  for (const event of events) {
    const changed = await world.change(approval.id, event)
    expect(changed).toMatchObject({ ok: true })
  }
}
const yes = (approval: Approval, by = 'mina'): ApprovalEvent => ({
  kind: 'decide',
  decision: { kind: 'approve', by, reason: null, digest: approval.proposed.digest, via: 'slack' },
})
const claim: ApprovalEvent = {
  kind: 'claim',
  node: 'gateway-1',
  checked: { toolDefinitionDigest: 'd'.repeat(64) },
}
const lost: ApprovalEvent = {
  kind: 'lose_track',
  reason: 'the connection to github broke before it answered',
  send: { progress: 'begun', httpStatus: null, error: 'read ECONNRESET' },
}
const looked: ApprovalEvent = {
  kind: 'look_after',
  looked: { isReachable: false, said: 'connect ECONNREFUSED' },
}

const ofApproval = 'WHERE approval_id = $1'
async function problemOf({ id }: Approval): Promise<string | null> {
  const { rows } = await pool.query(
    `SELECT problem FROM holdpoint.notice ${ofApproval} AND busy_until > clock_timestamp()`,
    [id],
  )
  return rows[0]?.problem ?? null
}
/** As if the minute were over in which it is left alone. */
const soonAgain = ({ id }: Approval) =>
  pool.query(`UPDATE holdpoint.notice SET busy_until = NULL ${ofApproval}`, [id])

describe('the owner of an agent', () => {
  test('hears how a call ended, once, without its arguments', async () => {
    const approval = await world.ask({ args: { secret: 'hunter2' } })
    await world.card(approval.id)
    const reply = { kind: 'result', isError: false, digest: 'a'.repeat(64), bytes: 20 } as const
    await through(approval, yes(approval), claim, { kind: 'answer', reply })
    const message = await world.slack.waitForMessage(
      (one) => isDirect(one) && about(approval, 'It ran once; the server answered')(one),
    )
    expect(world.slack.textOf(message)).toContain('night-agent: delete_repository on github')
    expect(JSON.stringify(message.blocks)).not.toContain('hunter2')
    await world.deliver(approval.id)
    await world.tell(approval.id)
    expect(told(approval)).toHaveLength(1)
  })

  test('hears of a rejection with its reason, of an expiry, and of what could not be sent', async () => {
    const denied = await world.ask()
    await through(denied, {
      kind: 'decide',
      decision: {
        kind: 'reject',
        by: 'mina',
        reason: '오늘은 안 됩니다',
        digest: denied.proposed.digest,
        via: 'cli',
      },
    })
    await world.slack.waitForMessage((one) => isDirect(one) && about(denied, '오늘은 안 됩니다')(one))
    const unsent = await world.ask()
    await through(unsent, yes(unsent), { kind: 'fail_unsent', reason: 'connection refused' })
    await world.slack.waitForMessage(
      (one) => isDirect(one) && about(unsent, 'Certainly nothing was sent')(one),
    )
  })

  test('hears nothing of what they ended themselves', async () => {
    const approval = await world.ask()
    await through(approval, { kind: 'cancel', by: 'jun', reason: null })
    await world.tell(approval.id)
    expect(told(approval)).toEqual([])
  })

  test('without an account here is told nothing, and nothing is tried again', async () => {
    const approval = await world.ask({ owner: 'lee' })
    await through(approval, { kind: 'cancel', by: 'mina', reason: null })
    await world.tell(approval.id)
    expect(await world.store.notices.untold('slack', 60_000, 10)).not.toContain(approval.id)
    expect(
      world.slack.messages().filter((one) => one.text.includes(approval.id) && one.channel !== world.channel),
    ).toEqual([])
  })
})

describe('when nobody knows the end', () => {
  test('who said yes is mentioned although the message to the owner is refused; the owner hears once Slack takes it', async () => {
    const approval = await world.ask()
    const card = await world.card(approval.id)
    world.slack.failNext('chat.postMessage', 'token_revoked')
    await through(approval, yes(approval), claim, lost, looked)
    const reply = await world.slack.waitForMessage((one) => one.threadTs === card.ts)
    expect(reply.text).toContain(`<@${world.users.mina}>`)
    // It is left alone for a minute, and not for ever.
    await expect
      .poll(() => problemOf(approval), { timeout: 30_000 })
      .toContain('Slack refused: token_revoked. The token was revoked')
    expect(told(approval)).toEqual([])
    await soonAgain(approval)
    await world.tell(approval.id)
    await world.slack.waitForMessage((one) => isDirect(one) && about(approval, 'What to do')(one))
    expect(world.slack.messages().filter((one) => one.threadTs === card.ts)).toHaveLength(1)
  })

  test('who said yes is mentioned in the thread of the card, with the evidence; the owner hears as well', async () => {
    const approval = await world.ask()
    const card = await world.card(approval.id)
    await through(approval, yes(approval), claim, lost, looked)
    const reply = await world.slack.waitForMessage((one) => one.threadTs === card.ts)
    expect(reply.channel).toBe(world.channel)
    expect(reply.text).toContain(`<@${world.users.mina}>`)
    expect(JSON.stringify(reply.blocks)).toContain(`"user_id":"${world.users.mina}"`)
    const text = world.slack.textOf(reply)
    for (const words of [
      'Before',
      'read ECONNRESET',
      'could not be reached',
      'connect ECONNREFUSED',
      'What to do',
    ])
      expect(text).toContain(words)
    await world.slack.waitForMessage((one) => isDirect(one) && about(approval, 'What to do')(one))
    await world.tell(approval.id)
    expect(world.slack.messages().filter((one) => one.threadTs === card.ts)).toHaveLength(1)
    expect(told(approval)).toHaveLength(1)
  })

  test('the mention waits a moment for what is found afterwards, and no longer', async () => {
    const approval = await world.ask()
    const card = await world.card(approval.id)
    await through(approval, yes(approval), claim, lost)
    await world.tell(approval.id)
    expect(world.slack.messages().filter((one) => one.threadTs === card.ts)).toEqual([])
    await world.slack.waitForMessage((one) => one.threadTs === card.ts)
  })
})

test('a pause that Slack asks for delays the message and loses nothing', async () => {
  const approval = await world.ask()
  await world.card(approval.id)
  world.slack.rateLimit('chat.postMessage', 1)
  await through(approval, { kind: 'cancel', by: 'mina', reason: null })
  await world.slack.waitForMessage((one) => isDirect(one) && about(approval, 'Withdrawn by mina')(one))
  expect(told(approval)).toHaveLength(1)
})

test('an unknown end is asked again from its card, once, by whoever may say yes; its new card waits', async () => {
  const approval = await world.ask()
  await world.card(approval.id)
  await through(approval, yes(approval), claim, lost, looked)
  await world.cardSaying(approval.id, 'could not be reached')
  await world.click(approval.id, 'ask-again', world.users.jun)
  await world.slack.waitForEphemeral((one) => one.text.includes('You answer for the agent that asks'))
  await world.click(approval.id, 'ask-again', world.users.mina)
  const said = await world.slack.waitForEphemeral((one) =>
    one.text.includes('People are asked again, as HP-'),
  )
  const id = /HP-[0-9A-Z]{10}/.exec(said.text)?.[0] ?? ''
  const card = await world.slack.waitForMessage(
    (one) => isCard(one) && world.slack.textOf(one).includes(`${id} · digest`),
  )
  expect(world.slack.textOf(card)).toContain(`it may have been sent before, as ${approval.id}`)
  expect(world.slack.buttons(card).map(({ text }) => text)).toContain('Approve')
  await world.cardSaying(approval.id, `asked again as ${id}`)
})
const isCard = (message: { readonly channel: string; readonly threadTs: string | null }) =>
  message.channel === world.channel && message.threadTs === null
