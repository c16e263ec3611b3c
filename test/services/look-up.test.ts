/** Evidence that a rule wants beside a request: read for this requester, bounded, shown as it came, and never in anybody's way. */
import { describe, expect, test } from 'vitest'
import type { ApprovalId } from '../../src/domain/approval-id.ts'
import { sha256 } from '../../src/domain/canonical.ts'
import { LOOKUP_AFTER_MS } from '../../src/domain/lookups.ts'
import { present } from '../../src/domain/present.ts'
import { err, ok } from '../../src/domain/result.ts'
import type { Category, ToolFacts } from '../../src/domain/risk.ts'
import { everything } from '../../src/domain/stop.ts'
import { clock } from '../../src/launch/clock.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { ReadRequest } from '../../src/ports/upstream-session.ts'
import { aGateway, aWorld, type World } from '../support/world.ts'

const policy = (
  evidence = '{ tool: get_refund_state, label: State of the refund, arguments: { charge: { path: args.charge }, full: true } }',
) => `
default: require_approval
allow: [get_refund_state, delete_all]
tools:
  list_charges: { action: allow, rate_limit: { max: 5, window: 60 } }
rules:
  - { tools: delete_repository, action: require_approval, approval: { evidence: [${evidence}] } }`
const categoryOf = (tool: string): Category | null =>
  tool.startsWith('get_') || tool.startsWith('list_') ? 'read' : 'destructive'
const facts = (tool: string): ToolFacts => ({ category: categoryOf(tool), risk: 'low' })
const answer = (text: string, isError = false) => ok({ kind: 'result' as const, text, isError })

async function asked(
  text = policy(),
  prepare: (world: World) => void = () => {},
  options: Parameters<typeof aGateway>[1] = {},
) {
  const world = aWorld()
  await world.putInForce(text)
  const reads: ReadRequest[] = []
  world.reads = async (request) => {
    reads.push(request)
    return answer('{"content":[{"type":"text","text":"refunded: 0 of 100"}]}')
  }
  prepare(world)
  const gateway = await aGateway(world, { facts, ...options })
  const answered = await gateway.ask({ arguments: { charge: 'ch_1', amount: 100 } })
  if (!answered.ok || answered.value.kind !== 'waiting') throw new Error(JSON.stringify(answered))
  const { id } = answered.value.approval
  return { world, gateway, id, reads, lookups: () => lookupsOf(world, id) }
}

async function lookupsOf(world: World, id: ApprovalId) {
  await expect.poll(async () => (await world.ledger.get(id))?.approval.lookups).not.toBeNull()
  return (await world.ledger.get(id))?.approval.lookups ?? []
}

describe('what a rule wants to be read', () => {
  test('is read with the values of the call, kept with its digest, and shown beside the request', async () => {
    const { world, id, reads, lookups } = await asked()
    expect(await lookups()).toMatchObject([
      {
        label: 'State of the refund',
        tool: 'get_refund_state',
        arguments: '{"charge":"ch_1","full":true}',
        found: { kind: 'answer', isError: false, text: 'refunded: 0 of 100', isCut: false },
      },
    ])
    expect(reads.map(({ canonicalParams }) => canonicalParams)).toEqual([
      '{"arguments":{"charge":"ch_1","full":true},"name":"get_refund_state"}',
    ])
    expect(world.upstream.sent).toEqual([])
    const trail = await world.ledger.auditTrail(id)
    expect(JSON.parse(trail.at(-1)?.payload ?? '{}')).toMatchObject({
      event: 'look_up',
      details: {
        lookups: [
          {
            tool: 'get_refund_state',
            argumentsDigest: sha256('{"charge":"ch_1","full":true}'),
            digest: expect.stringMatching(/^[0-9a-f]{64}$/),
          },
        ],
      },
    })
    expect(JSON.stringify(trail)).not.toContain('refunded')
  })

  test('leaves the digest alone: a yes from before it counts, and it is no other rule', async () => {
    const { world, gateway, id, lookups } = await asked()
    const digest = (await world.ledger.get(id))?.approval.proposed.digest
    await lookups()
    expect((await world.ledger.get(id))?.approval.proposed.digest).toBe(digest)
    await world.putInForce(policy('{ tool: get_other }'))
    expect(await gateway.rejudge(id)).toMatchObject({ kind: 'stands' })
  })

  test('is read again when the arguments were changed', async () => {
    const { world, gateway, id, reads, lookups } = await asked()
    await lookups()
    const said = {
      id,
      person: { id: 'mina', name: 'Mina', groups: ['ops'] },
      reason: null,
      via: 'api',
    } as const
    const digest = (await world.ledger.get(id))?.approval.proposed.digest ?? ''
    await gateway.people.edit({ ...said, argumentsText: '{"charge":"ch_2","amount":1}', digest })
    expect((await world.ledger.get(id))?.approval.lookups).toBeNull()
    expect(await world.ledger.lookupsWanted(['github'], 10)).toEqual([id])
    await gateway.lookUp(id)
    expect(reads.at(-1)?.canonicalParams).toContain('ch_2')
  })

  test('is read after an end that nobody knows', async () => {
    const { world, gateway, id, lookups } = await asked(policy(), (before) => {
      before.upstream.answer = async () => ({
        kind: 'indeterminate',
        reason: 'connection reset',
        trace: { progress: 'begun', httpStatus: null, error: null },
      })
    })
    await lookups()
    world.reads = async () => answer('{"content":[{"type":"text","text":"refunded: 100 of 100"}]}')
    const held = gateway.hold(id)
    await gateway.decide(id)
    await held
    expect(await world.ledger.lookupsWanted(['github'], 10)).toEqual([id])
    await gateway.lookUp(id)
    const approval = (await world.ledger.get(id))?.approval
    if (approval === undefined) throw new Error('it is there')
    const beholder = { nowMs: 0, isRequesterWaiting: false, startWithinMs: 0, when: String }
    const shown = present(approval, { ...beholder, readsLookups: true })
    expect(shown.lookups.map(({ label, lines }) => `${label}: ${lines.join()}`)).toEqual([
      'State of the refund: refunded: 0 of 100',
      'State of the refund (afterwards): refunded: 100 of 100',
    ])
    const others = JSON.stringify(present(approval, beholder).lookups)
    expect(others).toContain('State of the refund (afterwards)')
    expect(others).not.toContain('refunded:')
    expect(others).not.toContain('ch_1')
  })

  test('is noted as not read, without asking the server, where the unknown end is long ago', async () => {
    const { world, gateway, id, reads, lookups } = await asked(policy(), (before) => {
      before.upstream.answer = async () => ({
        kind: 'indeterminate',
        reason: 'connection reset',
        trace: { progress: 'begun', httpStatus: null, error: null },
      })
    })
    await lookups()
    const held = gateway.hold(id)
    await gateway.decide(id)
    await held
    world.ledger.advance(LOOKUP_AFTER_MS)
    expect(await world.ledger.lookupsWanted([], 10)).toEqual([id])
    await gateway.lookUp(id)
    expect((await world.ledger.get(id))?.approval).toMatchObject({
      outcome: { evidence: { lookupsAfter: [{ found: { reason: 'no gateway read it in time' } }] } },
    })
    expect(await world.ledger.lookupsWanted(['github'], 10)).toEqual([])
    expect(reads).toHaveLength(1)
  })

  test('of many that read at once, one writes it', async () => {
    const { world, gateway, id } = await asked()
    const other = await aGateway(world, { node: 'gateway-2', facts })
    await Promise.all([gateway.lookUp(id), other.lookUp(id), other.lookUp(id)])
    expect(
      (await world.ledger.auditTrail(id)).filter(({ payload }) => payload.includes('look_up')),
    ).toHaveLength(1)
  })
})

describe('what is not called, or does not answer, is said', () => {
  test.each([
    ['a tool that does not only read', '{ tool: delete_all }', 'delete_all is not known to only read'],
    ['a tool that people are asked about', '{ tool: get_secret }', 'the policy does not allow get_secret'],
    ['a tool with a limit', '{ tool: list_charges }', 'list_charges has a limit of its own'],
    [
      'an argument that is not there',
      '{ tool: get_refund_state, arguments: { c: { path: args.no } } }',
      'the call has no args.no',
    ],
  ])('%s', async (_what, evidence, reason) => {
    const { lookups, reads } = await asked(policy(evidence))
    expect(await lookups()).toMatchObject([{ arguments: null, found: { kind: 'none', reason } }])
    expect(reads).toEqual([])
  })

  test('a tool that is stopped', async () => {
    const scope = { ...everything, server: 'github', tool: 'get_refund_state' }
    const { reads, lookups } = await asked(policy(), (before) => {
      void before.ledger.stops.put({ scope, reason: 'now', by: 'mina' })
    })
    expect(await lookups()).toMatchObject([{ found: { kind: 'none', reason: 'it is stopped' } }])
    expect(reads).toEqual([])
  })

  test('the server that never answers keeps nobody from deciding', async () => {
    const { world, gateway, id } = await asked(policy(), (before) => {
      before.reads = () => new Promise(() => {})
    })
    expect((await world.ledger.get(id))?.approval.lookups).toBeNull()
    expect(await gateway.decide(id, 'reject')).toMatchObject({ ok: true })
  })

  test('a server that does not answer, throws, or says that it failed', async () => {
    const thrown = await asked(policy(), (before) => {
      before.reads = () => Promise.reject(new Error('boom'))
    })
    expect(await thrown.lookups()).toMatchObject([
      { found: { kind: 'none', reason: 'the gateway could not read it' } },
    ])
    const failed = await asked(policy(), (before) => {
      before.reads = async () =>
        answer('{"content":[{"type":"text","text":"no such charge"}],"isError":true}', true)
    })
    expect(await failed.lookups()).toMatchObject([
      { found: { kind: 'answer', isError: true, text: 'no such charge' } },
    ])
  })
})

describe('what goes to the server for it', () => {
  test('is a line of the decision log: with whose account, for which approval and rule, what came of it', async () => {
    const { world, id, lookups } = await asked()
    await lookups()
    expect(world.recorded).toEqual([
      {
        ...{ server: 'github', tool: 'get_refund_state', session: null, asIf: null, judgedInMs: 0 },
        principal: { name: 'night-agent', owner: 'jun' },
        params: { name: 'get_refund_state', arguments: { charge: 'ch_1', full: true } },
        ...{ verdict: 'look_up', rule: 'policies/github.yaml#/rules/0', revision: 1 },
        atMs: expect.any(Number),
        lookUp: { approval: id, outcome: 'answered', tookMs: expect.any(Number) },
      },
    ])
    const failed = await asked(policy('{ tool: get_refund_state }, { tool: delete_all }'), (before) => {
      before.reads = async () => answer('{"isError":true}', true)
    })
    await failed.lookups()
    // What the policy holds back never reaches the server.
    expect(failed.world.recorded.map(({ tool, lookUp }) => [tool, lookUp?.outcome])).toEqual([
      ['get_refund_state', 'tool_error'],
    ])
    const thrown = await asked(policy(), (before) => {
      before.reads = () => Promise.reject(new Error('boom'))
    })
    await thrown.lookups()
    expect(thrown.world.recorded).toMatchObject([{ lookUp: { outcome: 'none' } }])
  })

  test('is nothing where the tool is not what was accepted, by what the server says right before', async () => {
    const accepted: string[] = []
    const { world, reads, lookups } = await asked(policy(), () => {}, {
      isAccepted: (server, tool, digest) => {
        accepted.push(`${server} ${tool} ${digest}`)
        return false
      },
    })
    expect(await lookups()).toMatchObject([
      {
        found: {
          kind: 'none',
          reason: 'the server describes get_refund_state in another way than when it was accepted',
        },
      },
    ])
    expect(reads).toEqual([])
    expect(accepted).toEqual([expect.stringMatching(/^github get_refund_state ./)])
    expect(world.recorded).toMatchObject([{ lookUp: { outcome: 'none' } }])
  })
})

describe('a reading that fails again and again ends', () => {
  test('whatever the server says, also where it is cut inside a sign', async () => {
    const { lookups } = await asked(policy(), (before) => {
      before.reads = async () => err(`${'x'.repeat(299)}😀`)
    })
    expect(await lookups()).toMatchObject([{ found: { kind: 'none', reason: 'x'.repeat(299) } }])
    const answered = await asked(policy(), (before) => {
      before.reads = async () => answer(JSON.stringify({ content: [{ type: 'text', text: 'a\uD83D' }] }))
    })
    expect(await answered.lookups()).toMatchObject([{ found: { text: 'a\uFFFD' } }])
  })

  test('after three tries it is noted as not read, and the server is left alone', async () => {
    const world = aWorld()
    const save = world.ledger.save
    const lossy: World = {
      ...world,
      ledger: {
        ...world.ledger,
        async save(step) {
          if (step.audit.payload.includes('"look_up"') && !step.audit.payload.includes('could not'))
            throw new Error('it cannot be written')
          return save(step)
        },
      },
    }
    await lossy.putInForce(policy())
    let reads = 0
    lossy.reads = async () => {
      reads++
      return answer('{}')
    }
    const gateway = await aGateway(lossy, { facts })
    const waiting = await gateway.ask({ arguments: { charge: 'ch_1', amount: 100 } })
    if (!waiting.ok || waiting.value.kind !== 'waiting') throw new Error('it waits')
    const { id } = waiting.value.approval
    await expect.poll(() => reads).toBe(1)
    await expect
      .poll(async () => {
        await gateway.lookUp(id).catch(() => {})
        return (await world.ledger.get(id))?.approval.lookups
      })
      .toMatchObject([{ found: { kind: 'none', reason: 'the gateway could not read it' } }])
    expect(reads).toBe(3)
  })
})

test('a server that takes too long is left: it is asked no more, and its session is closed after what was in flight', async () => {
  const world = aWorld()
  await world.putInForce(
    policy('{ tool: get_slow }, { tool: get_refund_state }').replace('[get_', '[get_slow, get_'),
  )
  let reads = 0
  world.reads = async ({ leaving }) => {
    reads++
    expect(described?.aborted).toBe(false)
    await new Promise((resolve) => leaving.addEventListener('abort', resolve))
    expect(described?.aborted).toBe(true)
    expect(world.closed).toEqual([])
    return err('left')
  }
  let described: AbortSignal | undefined
  const { describe: describeIt } = world.upstream
  world.upstream.describe = (tool, leaving) => {
    described = leaving ?? described
    return describeIt(tool)
  }
  const hurried: Clock = {
    ...clock,
    sleep: (ms, signal) => clock.sleep(ms === 10_000 ? 50 : ms, signal),
  }
  const gateway = await aGateway(world, { facts, clock: hurried })
  const waiting = await gateway.ask({ arguments: { charge: 'ch_1', amount: 100 } })
  if (!waiting.ok || waiting.value.kind !== 'waiting') throw new Error('it waits')
  const tooLong = { found: { kind: 'none', reason: 'the server took too long' } }
  expect(await lookupsOf(world, waiting.value.approval.id)).toMatchObject([tooLong, tooLong])
  await expect.poll(() => world.closed.length).toBe(1)
  expect(reads).toBe(1)
})

test('at most four are read at once, and one for each agent', async () => {
  const world = aWorld()
  await world.putInForce(policy())
  let [now, most] = [0, 0]
  const open: (() => void)[] = []
  world.reads = async () => {
    most = Math.max(most, ++now)
    await new Promise<void>((resolve) => open.push(resolve))
    now--
    return answer('{}')
  }
  const gateway = await aGateway(world, { facts })
  const ids: ApprovalId[] = []
  for (let n = 0; n < 12; n++) {
    const principal = { name: `agent-${n % 6}`, owner: 'jun' }
    const waiting = await gateway.ask({ principal, arguments: { charge: `ch_${n}`, amount: n } })
    if (!waiting.ok || waiting.value.kind !== 'waiting') throw new Error('it waits')
    ids.push(waiting.value.approval.id)
  }
  await expect.poll(() => open.length).toBe(4)
  const all = Promise.all(ids.map((id) => lookupsOf(world, id)))
  const opening = setInterval(() => open.shift()?.(), 1)
  await all
  clearInterval(opening)
  expect(most).toBe(4)
})

test('what the server says is bounded, and hostile text stays text', async () => {
  const hostile = `<script>\u202Eevil\u001B[31m ${'x'.repeat(5_000)}`
  const { world, id, lookups } = await asked(policy(), (before) => {
    before.reads = async () => answer(JSON.stringify({ content: [{ type: 'text', text: hostile }] }))
  })
  const [lookup] = await lookups()
  expect(lookup).toMatchObject({ found: { isCut: true } })
  const approval = (await world.ledger.get(id))?.approval
  if (approval === undefined) throw new Error('it is there')
  const [shown] = present(approval, {
    nowMs: 0,
    isRequesterWaiting: false,
    startWithinMs: 0,
    when: String,
    readsLookups: true,
  }).lookups
  expect(shown?.note).toMatch(/Only the beginning of 5,\d+ bytes/)
  expect(shown?.lines.join('\n')).toContain('<script>\\u{202E}evil\\u{1B}[31m xxx')
  expect(shown?.lines.join('\n').length).toBeLessThan(4_100)
})
