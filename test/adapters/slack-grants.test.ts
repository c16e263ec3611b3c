/** A yes in Slack that allows more: said in words first, bound like any yes, given once, counted on the card, and ended there. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { grantDialog } from '../../src/channels/slack/grant-dialog.ts'
import type { Approval } from '../../src/domain/approval.ts'
import type { ApprovalId } from '../../src/domain/approval-id.ts'
import { decisionIn } from '../../src/domain/grant.ts'
import type { GrantTerms } from '../../src/domain/policy/grant-terms.ts'
import { canonicalParams } from '../../src/domain/tool-call.ts'
import { anApproval } from '../support/builders.ts'
import { query } from '../support/gateway-process.ts'
import { refuseView } from '../support/slack/limits.ts'
import { textOf } from '../support/slack/reader.ts'
import { type Asking, aSlackWorld, type Mode, type SlackWorld } from './slack-world.ts'

const HOUR_MS = 3_600_000
const terms: GrantTerms = {
  usesMax: 10,
  durationMsMax: HOUR_MS,
  mayDiffer: [{ path: 'args.note', steps: ['note'], is: [{ op: 'length', is: [{ op: 'lte', value: 40 }] }] }],
}
/** Nobody on a slow machine is too late by accident. */
const decisionMs = 20 * 60_000
const WORDS = 'Approve and allow more…'
let charges = 0

function aGrantWorld(mode: Mode) {
  let world: SlackWorld
  beforeAll(async () => {
    world = await aSlackWorld({ mode, gateways: 2 })
    if (mode === 'socket') await world.slack.waitForConnections(2)
    for (const name of ['mina', 'lee', 'jun'] as const) await world.link(name)
  })
  afterAll(() => world.close())

  const refund = (charge: string, note: string, more: Asking = {}) =>
    world.ask({
      ...{ tool: 'create_refund', args: { charge, note }, decisionMs },
      ...more,
      terms: { grants: terms, ...more.terms },
    })
  const aCharge = () => `ch_${mode}_${++charges}`
  const ask = (more: Asking = {}) => refund(aCharge(), '늦은 배송', more)
  const viewsOf = (who: 'mina' | 'lee') => world.slack.views(world.users[who])
  const shown = (view: Parameters<SlackWorld['slack']['buttons']>[0] | undefined) =>
    view === undefined ? '' : world.slack.textOf({ text: '', ...view })

  /** The dialog that a click on the card opens. */
  async function opened(id: ApprovalId, who: 'mina' | 'lee' = 'mina') {
    const seen = new Set(viewsOf(who).map((view) => view.id))
    await world.click(id, 'grant', world.users[who])
    return world.slack.waitForView((view) => view.user === world.users[who] && !seen.has(view.id))
  }
  const submit = (
    { id: viewId }: { id: string },
    values: Record<string, string>,
    who: 'mina' | 'lee' = 'mina',
  ) => world.slack.submitView({ viewId, user: world.users[who], values })
  const given = async (id: ApprovalId) => {
    const approval: Approval | undefined = await world.statusOf(id)
    return approval === undefined ? null : (decisionIn(approval)?.gives ?? null)
  }
  const told = (who: keyof SlackWorld['users'], words: string) =>
    world.slack.waitForEphemeral((one) => one.user === world.users[who] && one.text.includes(words))
  const labels = async (id: ApprovalId, words: string) =>
    world.slack.buttons(await world.cardSaying(id, words)).map(({ text }) => text)

  return {
    world: () => world,
    ...{ refund, aCharge, ask, viewsOf, shown, opened, submit, given, told, labels },
  }
}

const tenMinutes = { uses: '2', span: '600000' }

describe.each(['http', 'socket'] as const)('over %s', (mode) => {
  const { world, refund, aCharge, ask, viewsOf, shown, opened, submit, given, told, labels } =
    aGrantWorld(mode)

  test('it is said in words, given with the yes, counted on the card, and ended there', async () => {
    const charge = aCharge()
    const { id } = await refund(charge, '늦은 배송')
    expect(await labels(id, 'Waiting for a decision')).toEqual(['Approve', WORDS, 'Deny'])
    const view = await opened(id)
    const words = shown(view)
    expect(words).toContain('create_refund on github')
    expect(words).toContain(
      'to this call, and also the next calls of create_refund by night-agent with exactly these arguments, except note (any text, at most 40 characters), as many and for as long as you say here',
    )
    expect(words).toContain(`"charge": "${charge}"`)
    expect(words).toContain('늦은 배송')
    expect(words).toContain('1 to 10, as the rule lets you.')
    expect(words).toContain('10 min · 30 min · 1 h 0 min')
    expect(await world().statusOf(id)).toMatchObject({ status: 'pending' })

    expect((await submit(view, { ...tenMinutes, reason: '  같은 고객 & <ok> ' })).result).toBe('cleared')
    expect(await world().statusOf(id)).toMatchObject({
      decision: { by: 'mina', via: 'slack', reason: '같은 고객 & <ok>', gives: { uses: 2, ended: null } },
    })
    await world().cardSaying(id, 'up to 2 more of such calls, until')
    expect(await labels(id, '0 of 2 calls so far')).toEqual(['End the grant'])

    const next = await refund(charge, '다른 사유')
    expect(await world().useGrant(next, 1)).toMatchObject({ decision: { by: 'mina', under: id } })
    await world().cardSaying(next.id, `Approved by the grant that mina gave with ${id}`)
    const card = await world().cardSaying(id, '1 of 2 calls so far')
    const [end] = world().slack.buttons(card)
    expect(end?.confirm).toContain('the next such call is asked about')

    await world().click(id, 'end-grant', world().users.lee)
    await told('lee', 'not an approver')
    expect(await given(id)).toMatchObject({ ended: null })
    // The owner of the agent may not grant, and may always end.
    await world().click(id, 'end-grant', world().users.jun)
    await told('jun', 'It covered 1 of 2 calls.')
    expect(await labels(id, '1 of 2 calls so far; ended: jun')).toEqual([])
    expect(await given(id)).toMatchObject({ ended: { by: 'jun' } })
    // The screen of somebody else still had the button.
    await world().click(id, 'end-grant', world().users.mina, { version: versionWith(card, id) })
    await told('mina', 'over already')
  })

  test('the same submission twice is one grant, also at another gateway; another wish is told that it came too late', async () => {
    const { id } = await ask()
    const view = await opened(id)
    world().slack.loseNextAck()
    expect((await submit(view, tenMinutes)).result).toBe('trouble')
    expect(await given(id)).toMatchObject({ uses: 2 })
    if (mode === 'http') world().useGateway(1)
    expect((await submit(view, { ...tenMinutes, uses: '5' })).result).toBe('updated')
    expect(shown(viewsOf('mina').at(-1))).toContain('was not added')
    if (mode === 'http') world().useGateway(0)
    const again = await ask()
    const another = await opened(again.id)
    world().slack.loseNextAck()
    await submit(another, tenMinutes)
    if (mode === 'http') world().useGateway(1)
    expect((await submit(another, tenMinutes)).result).toBe('cleared')
    if (mode === 'http') world().useGateway(0)
    expect(await given(again.id)).toMatchObject({ uses: 2 })
    const standing = await world().grants.list({ isStanding: true, limit: 100 })
    expect(standing.grants.filter(({ grant }) => [id, again.id].includes(grant.id))).toHaveLength(2)
    expect(await world().statusOf(id)).toMatchObject({ version: 2 })
  })

  function versionWith(card: { channel: string; ts: string }, id: ApprovalId): number {
    const { versions } = world().slack.message(card.channel, card.ts)
    const at = versions.findLastIndex((one) => JSON.stringify(one.blocks).includes('end-grant'))
    if (at < 0) throw new Error(`the card of ${id} had no such button`)
    return at
  }
})

describe('what is not given', () => {
  const { world, ask, viewsOf, shown, opened, submit, given, told, labels } = aGrantWorld('http')

  test.each([
    [{ uses: '11' }, 'up to 10 more calls'],
    [{ uses: '0' }, 'up to 10 more calls'],
    [{ uses: '1.5' }, 'up to 10 more calls'],
    [{ uses: '-3' }, 'up to 10 more calls'],
    [{ uses: '９' }, 'up to 10 more calls'],
  ])('%j is refused beside its field, whatever Slack’s own client let pass', async (values, words) => {
    const { id } = await ask()
    const sent = await submit(await opened(id), values)
    expect(sent.result).toBe('errors')
    expect(sent.errors.uses).toContain(words)
    expect(await world().statusOf(id)).toMatchObject({ status: 'pending' })
  })

  test('without a reason, where the rule asks for one; with it, it is the reason of each use', async () => {
    const { id } = await ask({ terms: { reasonRequired: true } })
    const view = await opened(id)
    const empty = await submit(view, { ...tenMinutes, reason: '…' })
    expect(empty.errors.reason).toContain('asks for a reason')
    expect(await world().statusOf(id)).toMatchObject({ status: 'pending' })
    await submit(view, { ...tenMinutes, reason: '환불 정책 7조' })
    expect((await world().store.ledger.grant(id))?.reason).toBe('환불 정책 7조')
  })

  test('by whoever may not, and they are told why without a dialog', async () => {
    const { id } = await ask()
    await world().click(id, 'grant', world().users.lee)
    await told('lee', 'not an approver')
    await world().click(id, 'grant', world().users.jun)
    await told('jun', 'somebody else has to decide')
    await world().click(id, 'grant', world().users.stranger)
    await told('stranger', 'not linked')
    expect(viewsOf('lee')).toEqual([])
  })

  test('by somebody who may decide only since an escalation: they are told so', async () => {
    const { id } = await ask({ terms: { escalation: [{ afterMs: 1, groups: [], people: ['lee'] }] } })
    await world().click(id, 'grant', world().users.lee)
    await told('lee', 'from the start')
    expect(await world().statusOf(id)).toMatchObject({ status: 'pending' })
  })

  test('where the rule allows none, and where only the owner can confirm', async () => {
    const plain = await world().ask({ decisionMs })
    expect(await labels(plain.id, 'Waiting')).toEqual(['Approve', 'Deny'])
    const own = await ask({ approvers: { groups: [], people: [], selfConfirm: true } })
    expect(await labels(own.id, 'Waiting')).toEqual(['Confirm', 'Deny'])
  })

  test('when somebody else decides while the dialog is open, or one has said yes without it', async () => {
    const approvers = { groups: ['ops'], people: ['lee'], selfConfirm: false }
    const { id } = await ask({ approvers })
    const view = await opened(id)
    await world().click(id, 'approve', world().users.lee)
    expect((await submit(view, tenMinutes)).result).toBe('updated')
    expect(shown(viewsOf('mina').at(-1))).toContain('Already decided. Approved by lee')
    expect(await given(id)).toBeNull()

    const own = await ask()
    const late = await opened(own.id)
    await world().click(own.id, 'approve', world().users.mina)
    await submit(late, tenMinutes)
    expect(shown(viewsOf('mina').at(-1))).toContain('was not added')
    expect(await given(own.id)).toBeNull()
  })

  test('twice, when two submit at the same moment', async () => {
    const approvers = { groups: ['ops'], people: ['lee'], selfConfirm: false }
    const { id } = await ask({ approvers })
    const [first, second] = [await opened(id), await opened(id, 'lee')]
    const sent = await Promise.all([submit(first, tenMinutes), submit(second, tenMinutes, 'lee')])
    expect(sent.map(({ result }) => result).toSorted()).toEqual(['cleared', 'updated'])
    expect(await world().statusOf(id)).toMatchObject({ version: 2, decision: { gives: { uses: 2 } } })
  })

  test('after the time for a decision, or after the arguments were changed', async () => {
    const late = await ask()
    const lateView = await opened(late.id)
    await query(
      world().config.databaseUrl ?? '',
      `UPDATE holdpoint.approval SET record = jsonb_set(record::jsonb, '{expiresAtMs}', record::jsonb -> 'createdAtMs')::json
       WHERE id = $1`,
      [late.id],
    )
    await submit(lateView, tenMinutes)
    expect(shown(viewsOf('mina').at(-1))).toContain('Too late')
    expect(await given(late.id)).toBeNull()

    const changed = await ask()
    const view = await opened(changed.id)
    const edited = await world().change(changed.id, {
      kind: 'edit',
      canonicalParams: canonicalParams('create_refund', { charge: 'ch_other', note: '' }, {}),
      ...{ digest: changed.proposed.digest, nonce: 'fresh', by: 'mina', via: 'api', reason: null },
    })
    expect(edited.ok).toBe(true)
    await submit(view, tenMinutes)
    expect(shown(viewsOf('mina').at(-1))).toContain('mina changed the arguments')
    expect(await world().statusOf(changed.id)).toMatchObject({ status: 'pending' })
  })

  test('for longer than it stands: the card says that its time is over, or that it was stopped', async () => {
    const over = await ask()
    await submit(await opened(over.id), tenMinutes)
    await world().cardSaying(over.id, '0 of 2 calls so far')
    await query(
      world().config.databaseUrl ?? '',
      'UPDATE holdpoint.approval_grant SET expires_at = clock_timestamp() WHERE approval_id = $1',
      [over.id],
    )
    expect(await labels(over.id, '0 of 2 calls so far; its time is over')).toEqual([])

    const { id } = await ask()
    await submit(await opened(id), tenMinutes)
    await world().cardSaying(id, '0 of 2 calls so far')
    const scope = { server: 'github', tool: 'create_refund', agent: null, owner: null }
    const put = await world().store.stops.put({ scope, reason: 'odd refunds', by: 'jun' })
    expect(await labels(id, '0 of 2 calls so far; ended by the kill switch')).toEqual([])
    await world().store.stops.lift(put?.stop.number ?? 0, 'jun')
  })
})

describe('a call that is too long for a card', () => {
  const { world, refund, aCharge, shown, submit, given } = aGrantWorld('http')

  test('is granted on the last page of its review, and only there', async () => {
    const { id } = await refund(aCharge(), '긴 사유 '.repeat(4_000), {
      terms: { grants: { ...terms, mayDiffer: [] } },
    })
    const card = await world().card(id)
    expect(
      world()
        .slack.buttons(card)
        .map(({ text }) => text),
    ).toEqual(['Review…', 'Deny'])
    await world().click(id, 'review', world().users.mina)
    let page = await world().slack.waitForView((view) => view.title.includes(id))
    for (let turns = 0; turns < 30; turns++) {
      const has = world()
        .slack.buttons(page)
        .map(({ text }) => text)
      if (!has.includes('Next →')) break
      expect(has).not.toContain(WORDS)
      const turned = page.hash
      await world().slack.viewAction({ viewId: page.id, actionId: 'page-on', user: world().users.mina })
      page = await world().slack.waitForView((view) => view.id === page.id && view.hash !== turned)
    }
    expect(
      world()
        .slack.buttons(page)
        .map(({ text }) => text),
    ).toEqual(['← Back', WORDS])
    await world().slack.viewAction({ viewId: page.id, actionId: 'grant-reviewed', user: world().users.mina })
    const dialog = await world().slack.waitForView((view) => view.title === 'Approve and allow more')
    expect(shown(dialog)).toContain('with exactly these arguments, as many')
    expect(shown(dialog)).toContain('These arguments are those on the pages before.')
    expect((await submit(dialog, tenMinutes)).result).toBe('cleared')
    expect(await given(id)).toMatchObject({ uses: 2 })
    expect(world().slack.views(world().users.mina)).toEqual([])
  })
})

describe('the dialog', () => {
  const granting = { place: { app: 'A1', channel: 'C1', ts: '1.1' }, value: 'x'.repeat(90), reviewed: null }
  const drawn = (tool: string, grants: GrantTerms, args: Record<string, string>) => {
    const call = { tool, arguments: args, canonicalParams: canonicalParams(tool, args, {}) }
    const { approval } = anApproval({ call, asking: { grants } })
    const sections = [{ label: 'Arguments', bytes: 1, lines: Object.values(args) }]
    return grantDialog(approval, grants, sections, granting)
  }

  test.each([
    ['a tool with a name as long as names get', '도구&<>'.repeat(60), {}],
    ['arguments that fill a card', 'create_refund', { note: '환불 '.repeat(3_000) }],
    ['markup and mentions', '<!channel> *now*', { note: '<@U1> & <https://x.example|y>' }],
  ])('with %s is one that Slack takes', (_what, tool, args) => {
    const view = drawn(tool, { ...terms, usesMax: 100, durationMsMax: 24 * HOUR_MS }, { note: 'x', ...args })
    expect(view).not.toBeNull()
    expect(refuseView(JSON.parse(JSON.stringify(view)))).toBeNull()
  })

  test('names every bound of a long rule, and is not opened where that is too much to read', () => {
    const bounded = (count: number): GrantTerms => ({
      ...terms,
      mayDiffer: [
        {
          path: 'args.note',
          steps: ['note'],
          is: [{ op: 'in', values: Array.from({ length: count }, (_, at) => `사유-${at}`) }],
        },
      ],
    })
    const view = drawn('create_refund', bounded(600), { note: '사유-1' })
    const blocks = JSON.parse(JSON.stringify(view?.blocks ?? []))
    expect(refuseView(JSON.parse(JSON.stringify(view)))).toBeNull()
    expect(textOf({ blocks, text: '' })).toContain('사유-599')
    expect(drawn('create_refund', bounded(2_000), { note: '사유-1' })).toBeNull()
  })

  test('offers no longer time than the rule allows, however short that is', () => {
    const view = drawn('create_refund', { ...terms, durationMsMax: 90_000 }, { note: 'x' })
    expect(JSON.stringify(view)).toContain('1 min 30 s')
    expect(JSON.stringify(view)).not.toContain('10 min')
  })
})
