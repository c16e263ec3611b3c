/** People decide in Slack: over HTTP and over a socket, with the real Bolt on both sides of a Slack that enforces its rules. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { aSlackWorld, type Mode, type SlackWorld } from './slack-world.ts'

describe.each<Mode>(['http', 'socket'])('Slack over %s', (mode) => {
  let world: SlackWorld
  beforeAll(async () => {
    world = await aSlackWorld({ mode })
    if (mode === 'socket') await world.slack.waitForConnections(1)
    await world.link('mina')
    await world.link('jun')
    await world.link('lee')
  })
  afterAll(() => world.close())

  test('a card shows who asks what, where and why, all arguments, and what a yes would do', async () => {
    const { id } = await world.ask({ args: { name: 'acme/shop', 설명: '전부 지움' } })
    const message = await world.card(id)
    const text = world.slack.textOf(message)
    for (const words of [
      '🔴 Critical: delete_repository',
      'github',
      'night-agent',
      'jun',
      '"name": "acme/shop"',
      '전부 지움',
      'runs when the agent returns',
      'anyone in ops',
      'digest',
    ]) {
      expect(text).toContain(words)
    }
    expect(world.slack.buttons(message).map(({ text, style }) => [text, style])).toEqual([
      ['Approve', ''],
      ['Deny', 'danger'],
    ])
    expect(message.text).not.toContain('acme')
    expect(message.postedWith).toMatchObject({ unfurl_links: 'false', unfurl_media: 'false', parse: 'none' })
  })

  test('an approver approves: it is recorded with their name and door, and the card says so and has no buttons', async () => {
    const { id } = await world.ask()
    const clicked = await world.click(id, 'approve', world.users.mina)
    expect(clicked.outcome).toBe('acknowledged')
    expect(await world.statusOf(id)).toMatchObject({
      status: 'approved',
      decision: { kind: 'approve', by: 'mina', via: 'slack' },
    })
    const message = await world.cardSaying(id, 'Approved by mina')
    expect(world.slack.buttons(message)).toEqual([])
    expect(world.slack.textOf(message)).toContain('not run yet')
    expect(world.slack.messages().filter((one) => world.slack.textOf(one).includes(id))).toHaveLength(1)
  })

  test('a critical yes is asked once more, a no is one tap', async () => {
    const { id } = await world.ask({ risk: 'critical' })
    const [yes, no] = world.slack.buttons(await world.card(id))
    expect(yes?.confirm).toContain('Approve this critical call?')
    expect(yes?.confirm).toContain('delete_repository on github runs once')
    expect(no?.confirm).toBe('')
  })

  test('an approver denies with one tap', async () => {
    const { id } = await world.ask()
    await world.click(id, 'reject', world.users.mina)
    expect(await world.statusOf(id)).toMatchObject({ status: 'settled', outcome: { kind: 'rejected' } })
    const message = await world.cardSaying(id, 'Denied by mina')
    expect(world.slack.buttons(message)).toEqual([])
  })

  test('below critical risk the yes is the primary button', async () => {
    const { id } = await world.ask({ risk: 'medium' })
    const [yes] = world.slack.buttons(await world.card(id))
    expect(yes).toMatchObject({ text: 'Approve', style: 'primary', confirm: '' })
  })

  test.each([
    ['the owner of the asking agent', 'jun', 'somebody else has to decide'],
    ['a person who is no approver', 'lee', 'not an approver'],
    ['an account that nobody has linked', 'stranger', '/holdpoint link CODE'],
  ] as const)('%s decides nothing and is told why', async (_who, name, words) => {
    const { id } = await world.ask()
    await world.click(id, 'approve', world.users[name])
    const told = await world.slack.waitForEphemeral(
      (one) => one.user === world.users[name] && one.text.includes(words),
    )
    expect(told.via).toBe('response_url')
    expect(await world.statusOf(id)).toMatchObject({ status: 'pending' })
  })

  test('where only the owner may say yes, the button reads Confirm and so does the outcome', async () => {
    const { id } = await world.ask({ approvers: { groups: [], people: ['jun'], selfConfirm: true } })
    expect(world.slack.buttons(await world.card(id))[0]?.text).toBe('Confirm')
    await world.click(id, 'approve', world.users.jun)
    expect(await world.statusOf(id)).toMatchObject({ decision: { kind: 'confirm', by: 'jun' } })
    await world.cardSaying(id, 'Confirmed by the owner, jun')
  })

  test('where others may approve too, the card says what the owner’s yes would be', async () => {
    const { id } = await world.ask({ approvers: { groups: ['ops'], people: [], selfConfirm: true } })
    const message = await world.card(id)
    expect(world.slack.buttons(message)[0]?.text).toBe('Approve')
    expect(world.slack.textOf(message)).toContain('counts as a confirmation, not as an approval')
    await world.click(id, 'approve', world.users.jun)
    await world.slack.waitForEphemeral((one) => one.text.includes('owner’s confirmation'))
    expect(await world.statusOf(id)).toMatchObject({ decision: { kind: 'confirm' } })
  })

  test('a click that Slack delivers twice decides once and complains to nobody', async () => {
    const { id } = await world.ask()
    const before = world.slack.ephemerals().length
    world.slack.duplicateNextClick()
    const clicked = await world.click(id, 'approve', world.users.mina)
    expect([clicked.outcome, clicked.duplicate?.outcome]).toEqual(['acknowledged', 'acknowledged'])
    await world.cardSaying(id, 'Approved by mina')
    expect((await world.statusOf(id))?.version).toBe(2)
    expect(world.slack.ephemerals()).toHaveLength(before)
  })

  test('a decision at another door changes the card, and a late click is told who decided', async () => {
    const approval = await world.ask()
    const { ts } = await world.card(approval.id)
    const mina = world.directory.person('mina')
    if (mina === null) throw new Error('mina is in the file')
    await world.people.decide({
      id: approval.id,
      person: mina,
      answer: 'reject',
      digest: approval.proposed.digest,
      reason: 'not today',
      via: 'cli',
    })
    const message = await world.cardSaying(approval.id, 'Denied by mina: “not today”')
    expect(world.slack.buttons(message)).toEqual([])
    await world.slack.click({
      channel: world.channel,
      ts,
      actionId: 'approve',
      user: world.users.mina,
      version: 0,
    })
    await world.slack.waitForEphemeral((one) => one.text.includes('It is over. Denied by mina'))
  })

  test('after an edit the card shows both texts, and a click on what stood there before is refused with the reason', async () => {
    const approval = await world.ask({ args: { name: 'acme/shop' } })
    const { ts } = await world.card(approval.id)
    const mina = world.directory.person('mina')
    if (mina === null) throw new Error('mina is in the file')
    const edited = await world.people.edit({
      id: approval.id,
      person: mina,
      argumentsText: '{"name":"acme/test"}',
      digest: approval.proposed.digest,
      reason: 'the test one',
      via: 'cli',
    })
    expect(edited).toMatchObject({ ok: true })
    const message = await world.cardSaying(approval.id, '− "acme/shop"')
    expect(world.slack.textOf(message)).toContain('+ "acme/test"')
    const click = { channel: world.channel, ts, actionId: 'approve', user: world.users.mina }
    await world.slack.click({ ...click, version: 0 })
    await world.slack.waitForEphemeral((one) => one.text.includes('mina changed the arguments'))
    expect(await world.statusOf(approval.id)).toMatchObject({ status: 'pending' })
    await world.slack.click(click)
    await world.cardSaying(approval.id, 'Approved by mina')
    expect(await world.statusOf(approval.id)).toMatchObject({ status: 'approved', edits: [{ by: 'mina' }] })
  })

  test('every step until the outcome is drawn into the same message', async () => {
    const approval = await world.ask()
    await world.click(approval.id, 'approve', world.users.mina)
    await world.cardSaying(approval.id, 'not run yet')
    await world.change(approval.id, { kind: 'claim', node: 'gateway-1' })
    await world.cardSaying(approval.id, 'being sent now')
    const reply = { kind: 'result', isError: false, digest: 'a'.repeat(64), bytes: 20 } as const
    await world.change(approval.id, { kind: 'answer', reply }, { replyText: '{"content":[]}' })
    const message = await world.cardSaying(approval.id, 'It ran once; the server answered (20 bytes)')
    expect(world.slack.textOf(message)).toContain('Approved by mina')
    expect(
      world.slack.messages().filter((one) => world.slack.textOf(one).includes(approval.id)),
    ).toHaveLength(1)
  })

  test('a click after the deadline decides nothing', async () => {
    const { id } = await world.ask({ decisionMs: 400 })
    const { ts } = await world.card(id)
    await expect
      .poll(async () => (await world.store.ledger.get(id))?.nowMs ?? 0)
      .toBeGreaterThan((await world.statusOf(id))?.expiresAtMs ?? 0)
    await world.slack.click({
      channel: world.channel,
      ts,
      actionId: 'approve',
      user: world.users.mina,
      version: 0,
    })
    await world.slack.waitForEphemeral((one) => one.text.includes('Too late'))
    expect(await world.statusOf(id)).toMatchObject({ status: 'pending' })
  })

  test('what does not fit a card is reviewed page by page, and approved on the last page only', async () => {
    const args = { body: 'lorem ipsum '.repeat(2_000), to: 'all@example.com' }
    const { id } = await world.ask({ args })
    const message = await world.card(id)
    expect(world.slack.buttons(message).map(({ text }) => text)).toEqual(['Review…', 'Deny'])
    expect(world.slack.textOf(message)).toContain('only the beginning')
    await world.click(id, 'review', world.users.mina)
    let view = await world.slack.waitForView((one) => one.title === `Review ${id}`)
    let seen = ''
    for (let page = 1; ; page++) {
      seen += world.slack.textOf({ blocks: view.blocks, text: '' })
      const next = world.slack.buttons(view).find(({ actionId }) => actionId === 'page-on')
      if (next === undefined) break
      expect(view.sent.submit).toBeUndefined()
      await world.slack.viewAction({ viewId: view.id, actionId: 'page-on', user: world.users.mina })
      view = await world.slack.waitForView(
        (one) => one.id === view.id && JSON.stringify(one.blocks).includes(`Page ${page + 1} of`),
      )
    }
    expect(seen.replaceAll('\n', '')).toContain('all@example.com')
    expect(seen.match(/lorem ipsum/g)?.length).toBeGreaterThan(1_980)
    const submitted = await world.slack.submitView({ viewId: view.id, user: world.users.mina })
    expect(submitted.result).toBe('updated')
    expect(await world.statusOf(id)).toMatchObject({
      status: 'approved',
      decision: { by: 'mina', via: 'slack' },
    })
    await world.cardSaying(id, 'Approved by mina')
  })

  test('who may not decide reads the review without a yes in it', async () => {
    const { id } = await world.ask({ args: { body: 'x'.repeat(12_000) } })
    await world.click(id, 'review', world.users.lee)
    const view = await world.slack.waitForView(
      (one) => one.user === world.users.lee && one.title === `Review ${id}`,
    )
    await world.slack.viewAction({ viewId: view.id, actionId: 'page-on', user: world.users.lee })
    const last = await world.slack.waitForView(
      (one) => one.id === view.id && JSON.stringify(one.blocks).includes('Page 2 of 3'),
    )
    expect(last.sent.submit).toBeUndefined()
    expect(world.slack.textOf({ blocks: last.blocks, text: '' })).toContain('not an approver')
  })

  test('people link themselves by a code that works once, and unlink', async () => {
    const { slack, channel, users } = world
    const newcomer = slack.addUser({ name: 'newcomer' }).id
    const say = async (text: string, user = newcomer) => {
      await slack.command({ command: '/holdpoint', text, user, channel })
      return slack.ephemerals(user).at(-1)?.text ?? ''
    }
    expect(await say('help')).toContain('not linked yet')
    expect(await say('link 00000-00000')).toContain('This code is not known')
    const { issueLinkCode } = await import('../../src/auth/link-code.ts')
    const code = await issueLinkCode(world.store.identities, 'mina')
    expect(await say(`link ${code.toLowerCase()}`)).toContain('is now 김미나 (mina)')
    expect(await say(`link ${code}`, users.stranger)).toContain('was used already')
    expect(await say('unlink')).toContain('no longer mina')
    expect(await world.store.identities.personOf('slack', `${slack.teamId}:${newcomer}`)).toBeNull()
  })

  test('wrong codes are bounded', async () => {
    const { slack, channel } = world
    const guesser = slack.addUser({ name: 'guesser' }).id
    for (let attempt = 0; attempt < 6; attempt++)
      await slack.command({ command: '/holdpoint', text: 'link 00000-00000', user: guesser, channel })
    expect(slack.ephemerals(guesser).at(-1)?.text).toContain('Too many wrong codes')
  })

  test.each([
    ['deactivated', { isDeleted: true }],
    ['a guest', { isRestricted: true }],
    ['a bot', { isBot: true }],
    ['of another workspace', { isStranger: true }],
  ])('an account that is %s decides nothing, though it is linked', async (words, change) => {
    const { slack, store } = world
    const user = slack.addUser({ name: 'former', ...change }).id
    await store.identities.link('slack', `${slack.teamId}:${user}`, 'mina')
    const { id } = await world.ask()
    await world.click(id, 'approve', user)
    await slack.waitForEphemeral((one) => one.user === user && one.text.includes(words))
    expect(await world.statusOf(id)).toMatchObject({ status: 'pending' })
  })

  test('when Slack cannot say who clicked, nothing is decided', async () => {
    const { slack, store } = world
    const user = slack.addUser({ name: 'unseen' }).id
    await store.identities.link('slack', `${slack.teamId}:${user}`, 'mina')
    const { id } = await world.ask()
    await world.card(id)
    slack.failNext('users.info', 'fatal_error')
    await world.click(id, 'approve', user)
    await slack.waitForEphemeral((one) => one.user === user && one.text.includes('could not say who you are'))
    expect(await world.statusOf(id)).toMatchObject({ status: 'pending' })
  })

  test.each([
    ['another message', { container: { message_ts: '1700000000.000001' } }],
    ['another channel', { container: { channel_id: 'C0ELSEWHERE' } }],
    ['a value of nobody', { action: { value: 'HP-0000000000.1.abc' } }],
    ['a value of 2,001 characters', { action: { value: 'x'.repeat(2_001) } }],
    ['a value with another seal', { action: { value: `HP-0000000000.1.${'0'.repeat(64)}` } }],
  ])(
    'a click with %s decides nothing',
    async (_what, { container = {}, action = {} }: { container?: object; action?: object }) => {
      const { id } = await world.ask()
      const payload = (sent: Record<string, unknown>) => ({
        ...sent,
        container: Object.assign({}, sent.container, container),
        actions: [Object.assign({}, Array.isArray(sent.actions) ? sent.actions[0] : {}, action)],
      })
      const before = world.slack.ephemerals(world.users.mina).length
      await world.click(id, 'approve', world.users.mina, { tampering: { payload } })
      await expect.poll(() => world.slack.ephemerals(world.users.mina).length).toBeGreaterThan(before)
      expect(await world.statusOf(id)).toMatchObject({ status: 'pending' })
    },
  )

  test('the seal of Deny is no seal of Approve, and that of one card none of another', async () => {
    const [one, other] = [await world.ask(), await world.ask()]
    const values = world.slack.buttons(await world.card(one.id)).map(({ value }) => value)
    const foreign = world.slack.buttons(await world.card(other.id))[0]?.value
    for (const value of [values[1], foreign]) {
      const payload = (sent: Record<string, unknown>) => ({
        ...sent,
        actions: [Object.assign({}, Array.isArray(sent.actions) ? sent.actions[0] : {}, { value })],
      })
      await world.click(one.id, 'approve', world.users.mina, { tampering: { payload } })
    }
    expect(await world.statusOf(one.id)).toMatchObject({ status: 'pending' })
    expect(await world.statusOf(other.id)).toMatchObject({ status: 'pending' })
  })

  test('an action nobody knows is answered, and does nothing', async () => {
    const { id } = await world.ask()
    const payload = (sent: Record<string, unknown>) => ({
      ...sent,
      actions: [
        Object.assign({}, Array.isArray(sent.actions) ? sent.actions[0] : {}, { action_id: 'detonate' }),
      ],
    })
    const clicked = await world.click(id, 'approve', world.users.mina, { tampering: { payload } })
    expect(clicked.outcome).toBe('acknowledged')
    expect(await world.statusOf(id)).toMatchObject({ status: 'pending' })
  })
})
