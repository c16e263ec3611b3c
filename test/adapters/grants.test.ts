/** Grants at the doors for programs and terminals: offered in words, given with a yes, listed, and ended. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createWorld, ticket, type World } from './api-world.ts'
import { holdpoint, listenOn } from './cli-runner.ts'

let world: World
let gateway: Awaited<ReturnType<typeof listenOn>>
beforeEach(async () => {
  world = createWorld()
  gateway = await listenOn(world)
})
afterEach(() => gateway.close())

const TICKET = 'HP-7K2M9Q4T0X'
const as = (who: string, answer: string | null = null) => ({
  env: { HOLDPOINT_URL: gateway.url, HOLDPOINT_TOKEN: `hpp_${who}` },
  answer,
})
const grants = {
  usesMax: 9,
  durationMsMax: 3_600_000,
  mayDiffer: [
    {
      path: 'args.amount',
      steps: ['amount'],
      is: [
        { op: 'gte', value: 0 },
        { op: 'lte', value: 50 },
      ],
    },
    { path: 'args.note', steps: ['note'], is: [] },
  ],
} as const
const add = () =>
  world.add({ tool: 'create_refund', args: { charge: 'ch_1', amount: 20, note: '환불' }, asking: { grants } })
const decisionOf = () => {
  const approval = world.get(ticket(TICKET))
  return approval?.status === 'approved' ? approval.decision : null
}

describe('approve --grant', () => {
  test('says in words what it would allow, asks, and gives it', async () => {
    add()
    const words =
      'also the next 3 calls of create_refund by bot with exactly these arguments, except amount (any number, at least 0, at most 50) and note (any text), for 30 min'
    const ran = await holdpoint(
      ['approvals', 'approve', TICKET, '--grant', '3', '--grant-for', '30m'],
      as('kim', 'y'),
    )
    expect(ran.out).toContain(`It would allow ${words}.`)
    expect(ran.code).toBe(0)
    expect(decisionOf()?.gives).toMatchObject({ uses: 3, ended: null })
  })

  test('is never the default, and says that there is the choice', async () => {
    add()
    const ran = await holdpoint(['approvals', 'approve', TICKET, '--yes'], as('kim'))
    expect(ran.out).toContain('You may allow up to 9 more of such calls as well, with --grant.')
    expect(decisionOf()?.gives).toBeNull()
  })

  test.each([
    [['--grant', '10'], 'up to 9 more calls for up to 1 h'],
    [['--grant', '3', '--grant-for', '2h'], 'up to 9 more calls for up to 1 h'],
    [['--grant', '3', '--grant-for', 'long'], '--grant-for takes a duration'],
  ])('%j is refused, and nothing is decided', async (more, said) => {
    add()
    const ran = await holdpoint(['approvals', 'approve', TICKET, '--yes', ...more], as('kim'))
    expect(ran.code).toBe(1)
    expect(ran.err).toContain(said)
    expect(world.get(ticket(TICKET))?.status).toBe('pending')
  })

  test('where the rule allows none, it is refused before anything is sent', async () => {
    world.add()
    const ran = await holdpoint(['approvals', 'approve', TICKET, '--yes', '--grant', '1'], as('kim'))
    expect(ran.code).toBe(1)
    expect(ran.err).toContain('With this call you can grant nothing more.')
    expect(world.get(ticket(TICKET))?.status).toBe('pending')
  })

  test('--grant-for without --grant is a mistake', async () => {
    add()
    const ran = await holdpoint(['approvals', 'approve', TICKET, '--yes', '--grant-for', '1h'], as('kim'))
    expect(ran.code).toBe(2)
  })
})

describe('grants', () => {
  test('are listed with their uses, shown, and revoked; the second time says so', async () => {
    add()
    expect((await holdpoint(['grants'], as('kim'))).out).toBe(
      'No grant stands: every call is decided by itself.',
    )
    await holdpoint(['approvals', 'approve', TICKET, '--yes', '--grant', '3'], as('kim'))
    const listed = await holdpoint(['grants'], as('guest'))
    expect(listed.out).toMatch(/^GRANT +STATE +USED +BY +GIVEN +UNTIL\nHP-7K2M9Q4T0X +stands +0 of 3 +kim/)
    expect(listed.out).toContain('also the next 3 calls of create_refund by bot')
    const json = JSON.parse((await holdpoint(['grants', 'list', '--json'], as('kim'))).out)
    expect(json.grants).toMatchObject([{ id: TICKET, usesMax: 3, used: 0, state: 'stands' }])
    expect((await holdpoint(['grants', 'show', TICKET], as('kim'))).out).toContain(
      'It has covered no call yet.',
    )

    const stranger = await holdpoint(['grants', 'revoke', TICKET], as('guest'))
    expect([stranger.code, decisionOf()?.gives?.ended]).toEqual([1, null])
    const ended = await holdpoint(['grants', 'revoke', TICKET, '--reason', 'enough'], as('owner'))
    expect(ended.out).toContain('The grant is over: nothing begins under it any more.')
    expect(decisionOf()?.gives?.ended).toMatchObject({ by: 'owner', reason: 'enough' })
    expect((await holdpoint(['grants', 'revoke', TICKET], as('kim'))).code).toBe(1)
    const unknown = await holdpoint(['grants', 'revoke', 'HP-AAAAAAAAA1'], as('kim'))
    expect(unknown.err).toContain('There is no grant with this ticket.')
  })

  test('are seen at the approval that gave them', async () => {
    add()
    await holdpoint(['approvals', 'approve', TICKET, '--yes', '--grant', '3'], as('kim'))
    const shown = await holdpoint(['approvals', 'show', TICKET], as('lee'))
    expect(shown.out).toContain('up to 3 more of such calls, until')
  })
})
