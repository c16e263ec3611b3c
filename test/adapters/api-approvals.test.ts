import { beforeEach, describe, expect, test } from 'vitest'
import { chainHash } from '../../src/domain/audit.ts'
import { sha256 } from '../../src/domain/canonical.ts'
import { createWorld, minutes, START_MS, ticket, type World } from './api-world.ts'

let world: World
beforeEach(() => {
  world = createWorld()
})

const as = (who: string | null): Record<string, string> =>
  who === null ? {} : { authorization: `Bearer ${who}` }

async function ask(path: string, who: string | null, body?: unknown, headers: Record<string, string> = {}) {
  const response = await world.api.request(path, {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      ...as(who),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, text, json: JSON.parse(text) }
}

const approve = (digest: string) => ({ decision: 'approve', digest })

describe('who may do what', () => {
  const routes = {
    list: () => ['/approvals', undefined] as const,
    show: () => ['/approvals/HP-7K2M9Q4T0X', undefined] as const,
    approve: (digest: string) => ['/approvals/HP-7K2M9Q4T0X/decision', approve(digest)] as const,
    reject: (digest: string) =>
      ['/approvals/HP-7K2M9Q4T0X/decision', { decision: 'reject', digest }] as const,
    cancel: () => ['/approvals/HP-7K2M9Q4T0X/cancel', {}] as const,
    annotate: () => ['/approvals/HP-7K2M9Q4T0X/annotation', { finding: 'happened' }] as const,
    edit: (digest: string) => ['/approvals/HP-7K2M9Q4T0X/edit', { arguments: '{"n":1}', digest }] as const,
    extend: () => ['/approvals/HP-7K2M9Q4T0X/deadline', { until: '2026-08-01T20:00:00Z' }] as const,
    call: () => ['/calls/HP-7K2M9Q4T0X', undefined] as const,
  }
  const callers = [
    null,
    'hpp_nobody',
    'hpa_bot',
    'hpa_other-bot',
    'hpp_guest',
    'hpp_kim',
    'hpp_lee',
    'hpp_owner',
  ]
  const expected: Record<keyof typeof routes, readonly number[]> = {
    list: [401, 401, 403, 403, 200, 200, 200, 200],
    show: [401, 401, 403, 403, 200, 200, 200, 200],
    approve: [401, 401, 403, 403, 403, 200, 200, 403],
    reject: [401, 401, 403, 403, 403, 200, 200, 403],
    cancel: [401, 401, 403, 403, 403, 200, 200, 200],
    edit: [401, 401, 403, 403, 403, 200, 200, 403],
    extend: [401, 401, 403, 403, 403, 200, 200, 200],
    // Not an unknown end, so even those who may annotate are refused; but by 409.
    annotate: [401, 401, 403, 403, 403, 409, 409, 403],
    call: [401, 401, 200, 404, 403, 403, 403, 403],
  }
  const cases = Object.entries(expected).flatMap(([route, statuses]) =>
    statuses.map((status, index) => ({ route, caller: callers[index] ?? null, status })),
  )

  test.each(cases)('$route by $caller answers $status', async ({ route, caller, status }) => {
    const { proposed, id } = world.add()
    const make = Object.entries(routes).find(([name]) => name === route)?.[1] ?? routes.list
    const [path, body] = make(proposed.digest)
    const answer = await ask(path, caller, body)
    expect(answer.status).toBe(status)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    if (status >= 400) expect(answer.json.error).toMatchObject({ code: expect.any(String) })
    if (status >= 400) expect(world.get(id)?.version).toBe(1)
  })

  test('an agent is told that agents decide nothing', async () => {
    const { proposed } = world.add()
    const answer = await ask('/approvals/HP-7K2M9Q4T0X/decision', 'hpa_bot', approve(proposed.digest))
    expect(answer.json.error.code).toBe('agents_decide_nothing')
    expect(answer.json.error.message).toContain('an agent sees and decides nothing here')
  })

  test('a token in the query or in a cookie is no token', async () => {
    world.add()
    for (const path of ['/approvals?token=hpp_kim', '/approvals?access_token=hpp_kim']) {
      expect((await ask(path, null)).status).toBe(401)
    }
    expect((await ask('/approvals', null, undefined, { cookie: 'token=hpp_kim' })).status).toBe(401)
  })

  test('a page of another origin is refused whatever token it has', async () => {
    world.add()
    const foreign = await ask('/approvals', 'hpp_kim', undefined, { origin: 'https://evil.example' })
    expect([foreign.status, foreign.json.error.code]).toEqual([403, 'origin_not_allowed'])
    const own = await ask('/approvals', 'hpp_kim', undefined, { origin: 'http://127.0.0.1:8484' })
    expect(own.status).toBe(200)
  })

  test('the built-in local principal decides nothing either', async () => {
    const { proposed } = world.add()
    const bindings = { incoming: { socket: { remoteAddress: '127.0.0.1' } } }
    const decision = await world.api.request(
      '/approvals/HP-7K2M9Q4T0X/decision',
      {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(approve(proposed.digest)),
      },
      bindings,
    )
    expect(decision.status).toBe(401)
    const call = await world.api.request('/calls/HP-7K2M9Q4T0X', {}, bindings)
    expect(call.status).toBe(200)
  })
})

describe('reading', () => {
  test('the list is filtered by status and paged by cursor', async () => {
    for (const [index, id] of ['HP-AAAAAAAAA1', 'HP-AAAAAAAAA2', 'HP-AAAAAAAAA3'].entries()) {
      world.add({ id, createdAtMs: START_MS + index })
    }
    await world.change(ticket('HP-AAAAAAAAA2'), { kind: 'cancel', by: 'kim', reason: null })

    const ids = (page: { approvals: { id: string }[] }) => page.approvals.map(({ id }) => id)
    const first = await ask('/approvals?limit=2', 'hpp_guest')
    expect(ids(first.json)).toEqual(['HP-AAAAAAAAA3', 'HP-AAAAAAAAA2'])
    const second = await ask(`/approvals?limit=2&after=${first.json.next}`, 'hpp_guest')
    expect([ids(second.json), second.json.next]).toEqual([['HP-AAAAAAAAA1'], null])
    expect(ids((await ask('/approvals?status=settled', 'hpp_guest')).json)).toEqual(['HP-AAAAAAAAA2'])
    const both = await ask('/approvals?status=settled&status=pending', 'hpp_guest')
    expect(both.json.approvals).toHaveLength(3)
    expect(first.json.approvals[1]).toMatchObject({ status: 'settled', outcome: 'cancelled' })
  })

  test('one approval has what its digest covers, an audit trail that verifies, and what I may do', async () => {
    const approval = world.add({ args: { profile: 'default' } })
    world.wait(approval.id)
    const { json } = await ask('/approvals/hp-7k2m9q4t0x', 'hpp_kim')
    expect(json.approval).toMatchObject({
      id: 'HP-7K2M9Q4T0X',
      status: 'pending',
      params: '{"arguments":{"profile":"default"},"name":"nworks_logout"}',
      digest: approval.proposed.digest,
      binding: { nonce: approval.nonce },
      requester: { name: 'bot', owner: 'owner' },
      expiresAt: '2026-08-01T13:00:00.000Z',
    })
    expect(json).toMatchObject({ isRequesterWaiting: true, yes: { kind: 'offered', word: 'Approve' } })
    expect(json.now).toBe('2026-08-01T09:05:00.000Z')
    const [event] = json.audit
    expect(chainHash('0'.repeat(64), event.payload)).toBe(event.hash)
    const owner = await ask('/approvals/HP-7K2M9Q4T0X', 'hpp_owner')
    expect(owner.json.yes).toMatchObject({
      kind: 'withheld',
      because: expect.stringContaining('somebody else'),
    })
  })

  test('the reply is a digest and a size, and its very text only on demand', async () => {
    const approval = world.add()
    const text = '{"content":[{"type":"text","text":"비밀"}],  "x":1.0}'
    await world.answer(approval, text)
    const brief = await ask('/approvals/HP-7K2M9Q4T0X', 'hpp_kim')
    expect(brief.text).not.toContain('비밀')
    expect(brief.json.approval.outcome.reply).toMatchObject({ digest: sha256(text), isError: false })
    const full = await ask('/approvals/HP-7K2M9Q4T0X?include=reply', 'hpp_kim')
    expect(full.json.replyText).toBe(text)
  })

  test.each(['HP-0000000000', 'nonsense', '%00', '..%2f..%2fetc', '%zz'])('%s is not found', async (id) => {
    const answer = await ask(`/approvals/${id}`, 'hpp_kim')
    expect([answer.status, answer.json.error.code]).toEqual([404, 'not_found'])
  })
})

describe('deciding', () => {
  const decide = (who: string, body: unknown) => ask('/approvals/HP-7K2M9Q4T0X/decision', who, body)

  test('an approval is recorded with who, why and through which door', async () => {
    const { proposed, id } = world.add()
    const answer = await decide('hpp_kim', { ...approve(proposed.digest), reason: 'planned', via: 'cli' })
    expect(answer.json.approval).toMatchObject({
      status: 'approved',
      decision: { kind: 'approve', by: 'kim', reason: 'planned', via: 'cli', digest: proposed.digest },
      startBy: '2026-08-01T10:05:00.000Z',
    })
    expect(world.get(id)?.status).toBe('approved')
  })

  test('a second click is told who decided first', async () => {
    const { proposed } = world.add()
    await decide('hpp_kim', approve(proposed.digest))
    const second = await decide('hpp_lee', { decision: 'reject', digest: proposed.digest })
    expect([second.status, second.json.error.code]).toEqual([409, 'already_decided'])
    expect(second.json.error.message).toBe('Already decided at 2026-08-01T09:05:00.000Z. Approved by kim.')
  })

  test('a decision about something else changes nothing', async () => {
    world.add()
    const answer = await decide('hpp_kim', approve('a'.repeat(64)))
    expect([answer.status, answer.json.error.code]).toEqual([409, 'digest_differs'])
    expect(answer.json.error).toMatchObject({ field: 'digest', remedy: expect.stringContaining('again') })
  })

  test('a late decision is told since when', async () => {
    const { proposed } = world.add()
    world.state.nowMs = START_MS + 240 * minutes
    const answer = await decide('hpp_kim', approve(proposed.digest))
    expect([answer.status, answer.json.error.code]).toEqual([410, 'too_late'])
    expect(answer.json.error.message).toContain('2026-08-01T13:00:00.000Z')
  })

  test('the owner and a stranger are told who may', async () => {
    const { proposed } = world.add()
    const owner = await decide('hpp_owner', approve(proposed.digest))
    expect(owner.json.error).toEqual({
      code: 'own_call',
      message:
        'You answer for the agent that asks, so somebody else has to decide. Who may decide: anyone in ops, lee; never the owner of the agent.',
      remedy: '`npx holdpoint approvals cancel HP-7K2M9Q4T0X` withdraws it.',
    })
    const guest = await decide('hpp_guest', approve(proposed.digest))
    expect(guest.json.error.code).toBe('not_an_approver')
  })

  test('where the rule lets the owner confirm, it is recorded as a confirmation', async () => {
    const { proposed } = world.add({ approvers: { groups: [], people: [], selfConfirm: true } })
    const answer = await decide('hpp_owner', approve(proposed.digest))
    expect(answer.json.approval.decision.kind).toBe('confirm')
  })

  const digest = 'a'.repeat(64)
  test.each([
    ['no body', '', 400, undefined],
    ['not JSON', '{', 400, undefined],
    ['no decision', { digest }, 400, 'decision'],
    ['another word', { decision: 'allow', digest }, 400, 'decision'],
    ['a short digest', { decision: 'approve', digest: 'abcd' }, 400, 'digest'],
    ['a reason that is too long', { decision: 'reject', digest, reason: 'x'.repeat(1001) }, 400, 'reason'],
    ['a field nobody knows', { decision: 'reject', digest, by: 'kim' }, 400, 'by'],
    ['a body over the limit', { decision: 'reject', digest, reason: 'x'.repeat(70_000) }, 413, undefined],
  ])('%s is refused and names the field', async (_name, body, status, field) => {
    const { id } = world.add()
    const answer = await decide('hpp_kim', body)
    expect([answer.status, answer.json.error.field]).toEqual([status, field])
    expect(world.get(id)?.version).toBe(1)
  })

  test('a form is not a decision', async () => {
    world.add()
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const answer = await ask('/approvals/HP-7K2M9Q4T0X/decision', 'hpp_kim', 'decision=approve', headers)
    expect([answer.status, answer.json.error.code]).toEqual([415, 'not_json'])
  })
})

describe('withdrawing and annotating', () => {
  test('the owner withdraws the call of their agent, without a body too', async () => {
    world.add()
    const answer = await world.api.request('/approvals/HP-7K2M9Q4T0X/cancel', {
      method: 'POST',
      headers: as('hpp_owner'),
    })
    expect(await answer.json()).toMatchObject({ approval: { outcome: { kind: 'cancelled', by: 'owner' } } })
  })

  test('a call that is being sent cannot be withdrawn', async () => {
    const { proposed, id } = world.add()
    await ask(`/approvals/${id}/decision`, 'hpp_kim', approve(proposed.digest))
    await world.change(id, { kind: 'claim', node: 'n' })
    const answer = await ask(`/approvals/${id}/cancel`, 'hpp_kim', {})
    expect([answer.status, answer.json.error.code]).toEqual([409, 'being_sent'])
  })

  test('an unknown end is annotated by an approver, and the agent reads what that means', async () => {
    const { proposed, id } = world.add()
    await ask(`/approvals/${id}/decision`, 'hpp_kim', approve(proposed.digest))
    await world.change(id, { kind: 'claim', node: 'n' })
    await world.change(id, { kind: 'lose_track', reason: 'the connection broke' })
    const unknown = await ask(`/calls/${id}`, 'hpa_bot')
    expect(unknown.json.retry).toBe('never')
    expect(unknown.text).not.toContain('the connection broke')
    const body = { finding: 'did_not_happen', note: 'checked the account' }
    const answer = await ask(`/approvals/${id}/annotation`, 'hpp_lee', body)
    expect(answer.json.approval.outcome.annotations).toMatchObject([{ by: 'lee', ...body }])
    expect((await ask(`/calls/${id}`, 'hpa_bot')).json.retry).toBe('same')
  })
})

describe('the outcome for the agent', () => {
  test('while it is open there is none', async () => {
    world.add()
    const { json } = await ask('/calls/HP-7K2M9Q4T0X', 'hpa_bot')
    expect(json).toMatchObject({ status: 'pending', outcome: null, retry: 'same' })
  })

  test("the upstream's bytes are embedded as they came", async () => {
    const text = '{"content":[], "z":1.0,"a":1e3}'
    await world.answer(world.add(), text)
    const answer = await ask('/calls/HP-7K2M9Q4T0X', 'hpa_bot')
    expect(answer.text).toContain(`"reply":{"result":${text}}}`)
    expect(answer.json.outcome.kind).toBe('answered')
    expect(answer.headers.get('content-type')).toContain('application/json')
  })

  test('after a no it learns when it could ask again', async () => {
    const { proposed, id } = world.add()
    await ask(`/approvals/${id}/decision`, 'hpp_kim', { decision: 'reject', digest: proposed.digest })
    const { json } = await ask(`/calls/${id}`, 'hpa_bot')
    expect(json).toMatchObject({ retry: 'never', coolDownUntil: '2026-08-01T09:15:00.000Z' })
  })

  test('it reads what people made of it, and what is known of an unknown end', async () => {
    const { id, proposed } = world.add({ args: { profile: 'default' } })
    const wish = { arguments: '{"profile":"test"}', digest: proposed.digest, reason: 'the test one' }
    const edited = await ask(`/approvals/${id}/edit`, 'hpp_kim', wish)
    expect((await ask(`/calls/${id}`, 'hpa_bot')).json).toMatchObject({
      status: 'pending',
      retry: 'same',
      edited: {
        by: 'kim',
        reason: 'the test one',
        differs: ['/arguments/profile'],
        arguments: { profile: 'test' },
      },
    })
    await ask(`/approvals/${id}/decision`, 'hpp_lee', approve(edited.json.approval.digest))
    await world.change(id, { kind: 'claim', node: 'node-1' })
    const send = { progress: 'response', httpStatus: 502, error: 'secret text of the network' } as const
    await world.change(id, { kind: 'lose_track', reason: 'HTTP 502', send })
    const looked = { isReachable: true, said: 'it answers' }
    await world.change(id, { kind: 'look_after', looked })
    const { json, text } = await ask(`/calls/${id}`, 'hpa_bot')
    expect(json).toMatchObject({
      outcome: { kind: 'indeterminate' },
      retry: 'never',
      askedAgainAs: null,
      evidence: { progress: 'response', httpStatus: 502, wasReachableAfterwards: true, lateReplies: 0 },
    })
    expect(text).not.toContain('secret text of the network')
  })

  test('the calls of others answer exactly like calls that never were', async () => {
    world.add()
    const others = await ask('/calls/HP-7K2M9Q4T0X', 'hpa_other-bot')
    const unknown = await ask('/calls/HP-0000000000', 'hpa_other-bot')
    const nonsense = await ask(`/calls/${'x'.repeat(10_000)}`, 'hpa_other-bot')
    expect(others.status).toBe(404)
    expect(others.text).toBe(unknown.text)
    expect(others.text).toBe(nonsense.text)
  })
})

describe('editing and more time', () => {
  test('an edit shows both texts, and who changed what', async () => {
    const { id, proposed } = world.add({ args: { profile: 'default' } })
    const wish = { arguments: '{"profile":"시험"}', digest: proposed.digest, reason: 'the test profile' }
    const { json } = await ask(`/approvals/${id}/edit`, 'hpp_kim', wish)
    expect(json.approval).toMatchObject({
      status: 'pending',
      params: '{"arguments":{"profile":"시험"},"name":"nworks_logout"}',
      edits: [
        { by: 'kim', via: 'api', reason: 'the test profile', replaced: { params: proposed.canonicalParams } },
      ],
    })
    expect(json.approval.digest).not.toBe(proposed.digest)
    const stale = await ask(`/approvals/${id}/decision`, 'hpp_lee', approve(proposed.digest))
    expect([stale.status, stale.json.error.code]).toEqual([409, 'digest_differs'])
    expect((await ask(`/approvals/${id}/decision`, 'hpp_lee', approve(json.approval.digest))).status).toBe(
      200,
    )
  })

  test('what is wrong with the arguments is said, with the field', async () => {
    const { id, proposed } = world.add()
    const wrong = { arguments: '{"a":1,"a":2}', digest: proposed.digest }
    const { status, json } = await ask(`/approvals/${id}/edit`, 'hpp_kim', wrong)
    expect([status, json.error.code, json.error.field]).toEqual([400, 'invalid_arguments', 'arguments'])
    expect(json.error.message).toContain('duplicate')
  })

  test('arguments of a hundred pages can be edited, and no more', async () => {
    const { id, proposed } = world.add()
    const of = (length: number) => ({
      arguments: JSON.stringify({ n: 'x'.repeat(length) }),
      digest: proposed.digest,
    })
    expect((await ask(`/approvals/${id}/edit`, 'hpp_kim', of(250_000))).status).toBe(200)
    expect((await ask(`/approvals/${id}/edit`, 'hpp_kim', of(270_000))).status).toBe(400)
    expect((await ask(`/approvals/${id}/edit`, 'hpp_kim', of(3_000_000))).status).toBe(413)
  })

  test('a deadline that cannot be is refused with the remedy', async () => {
    const { id } = world.add()
    const until = (text: string) => ask(`/approvals/${id}/deadline`, 'hpp_kim', { until: text })
    expect((await until('tomorrow')).status).toBe(400)
    expect((await until('2026-08-01T09:30:00Z')).json.error).toMatchObject({ code: 'not_later' })
    expect((await until('2026-09-01T09:30:00Z')).json.error).toMatchObject({
      code: 'beyond_maximum',
      remedy: expect.stringContaining('ask anew'),
    })
    expect((await until('2026-08-02T09:00:00Z')).json.approval.expiresAt).toBe('2026-08-02T09:00:00.000Z')
  })
})

test('a ledger that does not answer is not explained to strangers', async () => {
  world.add()
  world.state.fault = new Error('password authentication failed for user "holdpoint"')
  const answer = await ask('/approvals/HP-7K2M9Q4T0X', 'hpp_kim')
  expect([answer.status, answer.json.error.code]).toEqual([500, 'internal'])
  expect(answer.text).not.toContain('password')
})

test('OpenAPI describes every route from the same schemas', async () => {
  const { json } = await ask('/openapi.json', null)
  expect(json.openapi).toBe('3.1.0')
  expect(Object.keys(json.paths).sort()).toEqual([
    '/approvals',
    '/approvals/{id}',
    '/approvals/{id}/annotation',
    '/approvals/{id}/ask-again',
    '/approvals/{id}/cancel',
    '/approvals/{id}/deadline',
    '/approvals/{id}/decision',
    '/approvals/{id}/edit',
    '/approvals/{id}/take-back',
    '/calls/{id}',
    '/decisions',
    '/grants',
    '/grants/{id}',
    '/grants/{id}/revoke',
    '/policies/{server}',
    '/policies/{server}/preview',
    '/policies/{server}/put',
    '/policies/{server}/simulate',
    '/policies/{server}/suggest',
    '/policies/{server}/{number}',
    '/set-ups',
    '/set-ups/{server}',
    '/stops',
    '/stops/{number}/lift',
    '/tools',
    '/tools/{server}/{tool}',
    '/tools/{server}/{tool}/accept',
  ])
  expect(json.components.schemas.DecisionRequest.properties.reason.maxLength).toBe(1000)
  expect(json.paths['/approvals/{id}/decision'].post.security).toEqual([{ person: [] }])
  const operations = Object.values<object>(json.paths).flatMap((path) => Object.values(path))
  expect(operations.map(({ operationId }) => operationId).sort()).toEqual([
    'acceptSetUp',
    'acceptTool',
    'annotateApproval',
    'askApprovalAgain',
    'cancelApproval',
    'decideApproval',
    'editApproval',
    'extendApproval',
    'liftStop',
    'listApprovals',
    'listDecisions',
    'listGrants',
    'listPolicyRevisions',
    'listSetUps',
    'listStops',
    'listTools',
    'previewPolicy',
    'putPolicyInForce',
    'revokeGrant',
    'showApproval',
    'showCall',
    'showGrant',
    'showPolicyRevision',
    'showSetUp',
    'showTool',
    'simulatePolicy',
    'stop',
    'suggestRules',
    'takeBackYes',
  ])
  for (const { responses } of operations)
    expect(Object.keys(responses)).toEqual(expect.arrayContaining(['401', '403', '404']))
  expect(Object.keys(json.paths['/approvals/{id}/decision'].post.responses)).toContain('409')
  expect((await ask('/nothing', 'hpp_kim')).json.error.code).toBe('no_such_route')
})

describe('a rule that asks for a reason', () => {
  test.each(['approve', 'reject'])(
    '%s without one is 422 with the field, and changes nothing',
    async (decision) => {
      const { proposed, id } = world.add({ asking: { reasonRequired: true } })
      const body = { decision, digest: proposed.digest }
      for (const reason of [undefined, '', '  ']) {
        const answer = await ask(`/approvals/${id}/decision`, 'hpp_kim', { ...body, reason })
        expect([answer.status, answer.json.error]).toMatchObject([
          422,
          { code: 'reason_required', field: 'reason', remedy: expect.any(String) },
        ])
      }
      expect(world.get(id)?.version).toBe(1)
      expect((await ask(`/approvals/${id}/decision`, 'hpp_kim', { ...body, reason: 'checked' })).status).toBe(
        200,
      )
    },
  )
})

describe('several yeses', () => {
  const stages = [{ groups: ['ops'], people: ['lee'], quorum: 2 }]

  test('are listed, counted and taken back; the same person twice is refused', async () => {
    const { proposed, id } = world.add({ asking: { stages } })
    const yes = { decision: 'approve', digest: proposed.digest }
    const first = await ask(`/approvals/${id}/decision`, 'hpp_kim', yes)
    expect([first.status, first.json.approval]).toMatchObject([
      200,
      { status: 'pending', stages, votes: [{ by: 'kim', stage: 0, via: 'api' }] },
    ])
    const again = await ask(`/approvals/${id}/decision`, 'hpp_kim', yes)
    expect([again.status, again.json.error.code]).toEqual([409, 'voted_already'])
    const { json } = await ask('/approvals', 'hpp_kim')
    expect(json.approvals[0].yeses).toEqual({ said: 1, wanted: 2 })
    const shown = await ask(`/approvals/${id}`, 'hpp_kim')
    expect(shown.json.yes).toMatchObject({ kind: 'withheld', because: expect.stringContaining('already') })
    const taken = await ask(`/approvals/${id}/take-back`, 'hpp_kim', { reason: 'looked again' })
    expect([taken.status, taken.json.approval.votes]).toEqual([200, []])
    const nothing = await ask(`/approvals/${id}/take-back`, 'hpp_kim', {})
    expect([nothing.status, nothing.json.error.code]).toEqual([409, 'no_vote'])
    await ask(`/approvals/${id}/decision`, 'hpp_lee', yes)
    const last = await ask(`/approvals/${id}/decision`, 'hpp_kim', yes)
    expect(last.json.approval).toMatchObject({ status: 'approved', decision: { by: 'kim', with: ['lee'] } })
  })
})
