/** `approvals edit` and `extend`: what a person changes about a call that nobody has decided about yet. */
import { readFile } from 'node:fs/promises'
import ms, { type StringValue } from 'ms'
import type { ApprovalView } from '../api/schemas.ts'
import { DECIDABLE_BYTES_MAX } from '../domain/limits.ts'
import { err, ok, type Result } from '../domain/result.ts'
import { visible } from '../domain/visible.ts'
import { report } from './approvals-decide.ts'
import { editLines } from './edit-lines.ts'
import type { ExitCode } from './io.ts'
import type { Parts } from './parts.ts'
import { localTime } from './render.ts'
import { mismatch, presentDetail, withClient } from './session.ts'
import type { Trouble } from './settings.ts'
import { resolveTicket } from './ticket.ts'

export interface EditOptions {
  /** A file with the new arguments; `-` is the standard input. */
  readonly file: string
  readonly reason: string | null
  readonly json: boolean
}

export function edit(parts: Parts, typed: string, { file, reason, json }: EditOptions): Promise<ExitCode> {
  const { io } = parts
  return withClient(parts, async (client) => {
    const id = await resolveTicket(client, typed, ['pending'])
    if (!id.ok) return id
    const text = await readText(file)
    if (!text.ok) return text
    const before = await client.show(id.value, false)
    if (!before.ok) return before
    const wrong = mismatch(before.value.approval)
    if (wrong !== null) return err(wrong)
    const { digest } = before.value.approval
    const edited = await client.edit(id.value, { arguments: text.value, digest, reason })
    if (!edited.ok) return edited
    if (!json) {
      const shown = presentDetail({ ...before.value, approval: edited.value })
      for (const line of editLines(shown, io.colours)) io.out(line)
      io.out(`Digest  ${shown.digest.short}`)
    }
    return report(io, edited, json)
  })
}

export interface ExtendOptions {
  /** A duration from the present deadline on, or an instant; one of the two. */
  readonly by: string | null
  readonly until: string | null
  readonly reason: string | null
  readonly json: boolean
}

export async function extend(parts: Parts, typed: string, options: ExtendOptions): Promise<ExitCode> {
  const { io } = parts
  const { by, until, reason, json } = options
  const byMs = by === null ? null : durationMs(by)
  const untilMs = until === null ? null : Date.parse(until)
  if ((byMs === null) === (untilMs === null) || Number.isNaN(byMs) || Number.isNaN(untilMs)) {
    io.err('Say how long: --by 2h (longer than now), or --until 2026-11-23T09:00+09:00.')
    return 2
  }
  return withClient(parts, async (client) => {
    const id = await resolveTicket(client, typed, ['pending'])
    if (!id.ok) return id
    const detail = await client.show(id.value, false)
    if (!detail.ok) return detail
    // From the deadline that was read: whoever repeats the command after a lost answer does not extend it twice.
    const newMs = untilMs ?? Date.parse(detail.value.approval.expiresAt) + (byMs ?? 0)
    const extended = await client.extend(id.value, { untilMs: newMs, reason })
    if (!extended.ok || json) return report(io, extended, json)
    const nowMs = Date.parse(detail.value.now)
    io.out(`${visible(id.value)}  It can be decided until ${localTime(deadlineOf(extended.value), nowMs)}.`)
    return ok(0)
  })
}

const deadlineOf = ({ expiresAt }: ApprovalView) => Date.parse(expiresAt)

const isDuration = (text: string): text is StringValue => /^\d{1,6}(\.\d{1,3})? ?(s|m|min|h|d)$/.test(text)
export const durationMs = (text: string) => (isDuration(text) ? Math.round(ms(text)) : Number.NaN)

async function readText(file: string): Promise<Result<string, Trouble>> {
  try {
    const text = file === '-' ? await readAll() : await readFile(file, 'utf8')
    if (Buffer.byteLength(text) <= DECIDABLE_BYTES_MAX) return ok(text)
    const message = `The arguments are larger than ${DECIDABLE_BYTES_MAX} bytes.`
    return err({ message, remedy: 'Nobody could read that; write less.' })
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return err({
      message: `The arguments could not be read: ${reason}`,
      remedy: 'Give a file with one JSON object, or -.',
    })
  }
}

async function readAll(): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of process.stdin) {
    const piece = Buffer.from(chunk)
    bytes += piece.byteLength
    if (bytes > DECIDABLE_BYTES_MAX) break
    chunks.push(piece)
  }
  return Buffer.concat(chunks).toString('utf8')
}
