/** The audit events of one approval as lines for people, with a word on whether their chain holds. */
import { z } from '@hono/zod-openapi'
import type { ApprovalDetail } from '../api/schemas.ts'
import { actorText } from '../domain/actor.ts'
import { CHAIN_START, chainHash } from '../domain/audit.ts'
import { visible } from '../domain/visible.ts'

const requester = z.object({ name: z.string() })
const event = z.object({ at: z.string(), event: z.string(), details: z.record(z.string(), z.unknown()) })

const deeds = new Map([
  ['approve', 'approved'],
  ['confirm', 'confirmed, as the owner'],
  ['reject', 'denied'],
])
const doors = new Map([
  ['cli', ', in the command line'],
  ['console', ', in the console'],
  ['slack', ', in Slack'],
  ['api', ', over the API'],
  ['demo', ', in the demo'],
])

export function historyLines(audit: ApprovalDetail['audit'], when: (atMs: number) => string): string[] {
  return audit.map(({ payload }) => {
    const parsed = event.safeParse(JSON.parse(payload))
    if (!parsed.success) return visible(payload)
    const { at, event: kind, details } = parsed.data
    return `${when(Date.parse(at))}  ${sentence(kind, details)}`
  })
}

/** Digests and nonces stay in `--json`. */
function sentence(kind: string, details: Readonly<Record<string, unknown>>): string {
  const text = (name: string) => {
    const value = details[name]
    return typeof value === 'string' ? visible(value) : ''
  }
  const said = (name: string) => (text(name) === '' ? '' : `: “${text(name)}”`)
  const why = (name: string) => (text(name) === '' ? '' : `: ${text(name)}`)
  switch (kind) {
    case 'ask': {
      const asking = requester.safeParse(details.requester)
      return asking.success ? `${visible(asking.data.name)} asked` : 'asked'
    }
    case 'decide': {
      if (typeof details.yeses === 'number' && details.yeses < Number(details.of)) {
        return `${text('by')} said yes, ${details.yeses} of ${String(details.of)}${doors.get(text('via')) ?? ''}${said('reason')}`
      }
      const deed = deeds.get(text('decision')) ?? text('decision')
      return `${text('by')} ${deed}${doors.get(text('via')) ?? ''}${said('reason')}`
    }
    case 'take_back':
      return `${text('by')} took their yes back${doors.get(text('via')) ?? ''}${said('reason')}`
    case 'void_votes':
      return `the yes of ${Array.isArray(details.people) ? details.people.map((one) => visible(String(one))).join(', ') : ''} does not count any more: ${text('change')}`
    case 'edit':
      return `${text('by')} changed the arguments${doors.get(text('via')) ?? ''}${said('reason')}`
    case 'extend':
      return `${text('by')} moved the deadline to ${text('expiresAt')}${doors.get(text('via')) ?? ''}${said('reason')}`
    case 'expire':
      return 'nobody decided in time'
    case 'lapse':
      return 'the agent was not there in time to receive the result'
    case 'cancel':
      return `${actorText(typeof details.by === 'string' ? details.by : '')} withdrew it${said('reason')}`
    case 'invalidate':
      return `no longer valid${why('change')}`
    case 'claim':
      return `about to be sent, by the gateway ${text('node')}`
    case 'answer':
      if (details.isTask === true) return 'the server accepted it as a task of its own'
      return details.isError === true
        ? 'the tool says that it failed'
        : `the server answered${text('reply') === 'error' ? ' with an error' : ''}`
    case 'fail_unsent':
      return `could not be sent${why('reason')}`
    case 'lose_track':
      return `perhaps sent, and nobody knows how it ended${why('reason')}`
    case 'ask_again':
      return `${text('by')} asked again, as ${text('successor')}${doors.get(text('via')) ?? ''}${said('reason')}`
    case 'look_after':
      return `afterwards the upstream ${details.isReachable === true ? 'answered' : 'could not be reached'}${why('reason')}`
    case 'late_reply':
      return 'the upstream answered after all; the outcome stays unknown'
    case 'prove_unsent':
      return `its gateway came back and knows that it sent nothing; the outcome stays unknown${why('reason')}`
    case 'annotate':
      return `${text('by')} looked: it ${text('finding') === 'happened' ? 'happened' : 'did not happen'}${said('note')}`
    default:
      return visible(kind)
  }
}

export function isChainIntact(audit: ApprovalDetail['audit']): boolean {
  let previous = CHAIN_START
  for (const { payload, hash } of audit) {
    if (chainHash(previous, payload) !== hash) return false
    previous = hash
  }
  return audit.length > 0
}
