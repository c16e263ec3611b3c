/** An agent that asks nearly the same again while the first one waits: it is told where the two differ, and people see it. */
import { describe, expect, test } from 'vitest'
import { present } from '../../src/domain/present.ts'
import { waitingAnswer } from '../../src/mcp/downstream/replies.ts'
import { waitingProgress } from '../../src/mcp/downstream/waiting-progress.ts'
import { type CallWish, mina } from '../support/builders.ts'
import { aGateway, aWorld } from '../support/world.ts'

async function asking() {
  const world = aWorld()
  const gateway = await aGateway(world)
  return {
    world,
    gateway,
    async ask(wish: CallWish) {
      const asked = await gateway.ask(wish)
      if (!asked.ok || asked.value.kind !== 'waiting') throw new Error(JSON.stringify(asked))
      const { approval } = asked.value
      if (approval.status !== 'pending') throw new Error(approval.status)
      return approval
    },
  }
}
const mail = { to: 'kim@example.com', body: '안녕하세요' }

describe('while a call waits', () => {
  test('one with another detail is told which, and which ticket waits', async () => {
    const { ask } = await asking()
    const first = await ask({ arguments: mail })
    const second = await ask({ arguments: { ...mail, to: 'lee@example.com' } })
    expect(first.like).toBeNull()
    expect(second.like).toEqual({ id: first.id, differs: ['/arguments/to'] })

    const answer = JSON.parse(waitingAnswer(second, false, 'legacy', null).text)
    expect(answer.content[0].text).toContain(`${first.id} of yours waited already`)
    expect(answer.content[0].text).toContain('/arguments/to')
    expect(answer._meta['dev.holdpoint/approval'].like).toEqual({ id: first.id, differs: ['/arguments/to'] })
    expect(answer.content[0].text).not.toContain('kim@example.com')
    expect(JSON.parse(waitingProgress(1, 1, second, 0)).params.message).toContain(
      `Like ${first.id}, differs in /arguments/to`,
    )
    const shown = present(second, { nowMs: 0, isRequesterWaiting: true, startWithinMs: 0, when: String })
    expect(shown.fields).toContainEqual({
      label: 'Like',
      text: `${first.id}, which waited when this one was asked; it differs in /arguments/to`,
    })
  })

  test('of several the closest is named', async () => {
    const { ask } = await asking()
    await ask({ arguments: { a: 1, b: 1, c: 1 } })
    const closest = await ask({ arguments: { a: 2, b: 2, c: 1 } })
    expect((await ask({ arguments: { a: 2, b: 2, c: 2 } })).like).toMatchObject({ id: closest.id })
  })

  test('an edited one is compared by what the agent had asked for', async () => {
    const { ask, gateway } = await asking()
    const first = await ask({ arguments: mail })
    const { digest } = first.proposed
    const argumentsText = '{"to":"changed"}'
    await gateway.people.edit({ id: first.id, person: mina, argumentsText, digest, reason: null, via: 'api' })
    expect((await ask({ arguments: { ...mail, body: 'x' } })).like?.differs).toEqual(['/arguments/body'])
  })
})

describe('not alike are', () => {
  test.each([
    ['calls to another tool', { tool: 'create_repository' }, { tool: 'delete_repository' }],
    ['calls of another agent', { principal: { name: 'day-agent', owner: 'jun' } }, {}],
    [
      'calls with more differences than a slip has',
      { arguments: Object.fromEntries(Array.from({ length: 9 }, (_, n) => [`k${n}`, 1])) },
      { arguments: Object.fromEntries(Array.from({ length: 9 }, (_, n) => [`k${n}`, 2])) },
    ],
    ['the same call under another idempotency key', { idempotencyKey: 'one' }, { idempotencyKey: 'two' }],
  ] as const)('%s', async (_what, first, second) => {
    const { ask } = await asking()
    await ask(first)
    expect((await ask(second)).like).toBeNull()
  })

  test('what is decided already', async () => {
    const { ask, gateway } = await asking()
    await gateway.decide((await ask({ arguments: mail })).id, 'reject')
    expect((await ask({ arguments: { ...mail, to: 'x' } })).like).toBeNull()
  })
})

test('a key of any length makes no text of any length', async () => {
  const { ask } = await asking()
  await ask({ arguments: { ['k'.repeat(10_000)]: 1 } })
  const second = await ask({ arguments: { ['k'.repeat(10_000)]: 2 } })
  expect(second.like?.differs[0]?.length).toBeLessThan(250)
})
