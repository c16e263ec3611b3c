/**
 * `npm run demo`: an agent calls a tool that passes and one that waits for a person, on the sample server, through a real
 * gateway. It ends well only if what happened is what should have happened.
 */
import { createColors } from 'picocolors'
import { fromView } from '../api/view.ts'
import { hashToken, newToken } from '../auth/tokens.ts'
import { createClient } from '../commands/client.ts'
import { localTime, renderApproval } from '../commands/render.ts'
import type { ApprovalId } from '../domain/approval-id.ts'
import { parseApprovalId } from '../domain/approval-id.ts'
import { present } from '../domain/present.ts'
import { createLog } from '../launch/log.ts'
import { type Running, start } from '../launch/start.ts'
import { type Agent, type Called, connectAgent } from './agent.ts'
import { lookAt } from './evidence.ts'
import { type Choice, chooseByKey } from './key.ts'
import { AGENT, makeSurroundings } from './surroundings.ts'

export type DemoDecision = 'approve' | 'deny' | 'timeout'

export interface DemoOptions {
  /** `null`: the person at the terminal decides with a key. */
  readonly decide: DemoDecision | null
  readonly isInteractive: boolean
  readonly hasColours: boolean
  out(text: string): void
}

const TOOL = 'nworks_logout'
/** A person who tries this out looks around first. */
const DECISION_MS = 15 * 60_000
/** Long enough to be seen waiting, short enough to watch. */
const TIMEOUT_MS = 6_000
const PENDING_MS_MAX = 30_000
const TOKEN_KNOWN_MS_MAX = 5_000

/** @returns whether what happened is what should have happened */
export async function runDemo(options: DemoOptions): Promise<boolean> {
  const { decide, isInteractive, out } = options
  if (decide === null && !isInteractive) {
    out('There is nobody to ask: this is no terminal. Use --decide approve, deny or timeout.')
    return false
  }
  const colours = createColors(options.hasColours)
  const agentSays = (text: string) => out(`${colours.cyan('agent  ')} ${text}`)
  const youSee = (text: string) => out(text.replace(/^/gm, `${colours.magenta('you    ')} `))
  const note = (text: string) => out(`${colours.dim('       ')} ${colours.dim(text)}`)

  note('starting a gateway with a database of its own in a temporary directory …')
  const surroundings = await makeSurroundings(decide === 'timeout' ? TIMEOUT_MS : DECISION_MS)
  let running: Running | null = null
  let agent: Agent | null = null
  let leaving: Promise<void> | null = null
  async function clean(): Promise<void> {
    await agent?.close().catch(() => {})
    await running?.stop()
    await surroundings.remove()
  }
  const leave = () => {
    leaving ??= clean()
    return leaving
  }
  // Outside the prompt, where Ctrl-C is a key: leave no database behind, also when it is just being started.
  const interrupted = () => void starting.then(leave, leave).finally(() => process.exit(130))
  const starting = start(surroundings.config, createLog('error', process.stderr.isTTY))
  process.once('SIGINT', interrupted)
  try {
    running = await starting
    const url = `${running.url}/mcp/nworks`
    note(`gateway at ${url}, in front of the sample NAVER WORKS server`)
    agent = await connectAgent(url, await mint(running, 'agent', AGENT, 'mina'))

    agentSays('calls nworks_whoami')
    const who = await agent.call('nworks_whoami', agentSays)
    agentSays(`got: ${firstLine(who)}`)
    note('a safe call: the policy lets it pass, nobody was asked')
    out('')

    agentSays(`calls ${TOOL}`)
    const called = agent.call(TOOL, (message) => agentSays(colours.dim(message)))
    const gone = new AbortController()
    // The prompt ends with the call; a failure is reported where the call is awaited.
    void called.then(
      () => gone.abort(),
      () => gone.abort(),
    )
    const client = createClient({
      url: running.url,
      token: await mint(running, 'person', surroundings.approver, surroundings.approver),
    })
    const id = await pendingTicket(client)
    const shown = await shownWhileWaiting(client, id)
    const { approval, now } = shown.value
    const nowMs = Date.parse(now)
    out('')
    youSee(
      renderApproval(
        present(fromView(approval, shown.value.lookups), {
          nowMs,
          isRequesterWaiting: shown.value.isRequesterWaiting,
          startWithinMs: surroundings.config.timings.startByMs,
          when: (atMs) => localTime(atMs, nowMs),
          readsLookups: true,
        }),
        colours,
      ),
    )
    out('')
    const choice = await choose(options, gone.signal, youSee)
    if (choice === 'quit' && decide === null && !gone.signal.aborted) {
      note('left without a decision; nothing was sent')
      return false
    }
    if (choice !== 'quit') {
      youSee(choice === 'approve' ? 'press [a]: approve' : 'press [d]: deny')
      const decision = choice === 'approve' ? 'approve' : 'reject'
      const decided = await client.decide(id, { decision, digest: approval.digest, reason: null })
      if (!decided.ok) throw new Error(decided.error.message)
    }
    const result = await called
    agentSays(`got: ${result.text}`)
    out('')
    return await judge(choice, result, surroundings.sampleHome, out, colours)
  } finally {
    process.off('SIGINT', interrupted)
    await leave()
  }
}

async function choose(
  { decide, out }: DemoOptions,
  gone: AbortSignal,
  youSee: (text: string) => void,
): Promise<Choice> {
  if (decide === 'timeout') {
    youSee('(asleep)')
    return 'quit'
  }
  if (decide !== null) return decide
  youSee('[a] approve   [d] deny')
  const choice = await chooseByKey(gone)
  out('')
  return choice
}

/** Says what happened, from the sample's own files, and whether it is what should have happened. */
async function judge(
  choice: Choice,
  result: Called,
  sampleHome: string,
  out: (text: string) => void,
  { green, red }: ReturnType<typeof createColors>,
): Promise<boolean> {
  const { isCredentialFileThere, runs } = await lookAt(sampleHome, TOOL)
  const isApproved = choice === 'approve'
  const facts: readonly (readonly [boolean, string])[] = [
    [
      isCredentialFileThere !== isApproved,
      `the sample's credential file is ${isCredentialFileThere ? 'still there' : 'really gone'}`,
    ],
    [runs === (isApproved ? 1 : 0), `${TOOL} ran ${runs} time${runs === 1 ? '' : 's'} at the server`],
    [
      result.isError !== isApproved &&
        (isApproved || result.outcome === (choice === 'deny' ? 'rejected' : 'expired')),
      isApproved
        ? 'the agent has the real result'
        : `the agent was told that it was not executed (${result.outcome})`,
    ],
  ]
  for (const [isRight, text] of facts) out(`${isRight ? green('  ok    ') : red('  WRONG ')} ${text}`)
  return facts.every(([isRight]) => isRight)
}

/** The call is shown once its agent is known to wait for it, a moment after it was paused. */
async function shownWhileWaiting(client: ReturnType<typeof createClient>, id: ApprovalId) {
  const giveUpMs = performance.now() + PENDING_MS_MAX
  for (;;) {
    const shown = await client.show(id, false)
    if (!shown.ok) throw new Error(shown.error.message)
    if (shown.value.isRequesterWaiting || performance.now() > giveUpMs) return shown
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

async function pendingTicket(client: ReturnType<typeof createClient>): Promise<ApprovalId> {
  const giveUpMs = performance.now() + PENDING_MS_MAX
  while (performance.now() < giveUpMs) {
    const page = await client.list({ statuses: ['pending'], limit: 1, after: null })
    if (!page.ok) throw new Error(page.error.message)
    const id = parseApprovalId(page.value.approvals[0]?.id ?? '')
    if (id.ok) return id.value
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('the call was not paused')
}

/** A new token is known to the gateway a moment later. */
async function mint({ credentials, url }: Running, kind: 'agent' | 'person', name: string, owner: string) {
  const { token, hint } = newToken(kind)
  await credentials.add({ kind, name, owner, tokenHash: hashToken(token), hint })
  const giveUpMs = performance.now() + TOKEN_KNOWN_MS_MAX
  while (performance.now() < giveUpMs) {
    const probe = await fetch(`${url}/api/v1/calls/HP-0000000000`, {
      headers: { authorization: `Bearer ${token}` },
    })
    if (probe.status !== 401) return token
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error('the gateway does not learn of a new token')
}

const firstLine = ({ text }: Called) => text.split('\n')[0] ?? ''
