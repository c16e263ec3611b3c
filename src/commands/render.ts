/** A presented approval as text for a terminal: everything that would be sent, in full; the terminal wraps long lines. */
import type { Presented } from '../domain/present.ts'
import type { Risk } from '../domain/risk.ts'
import { editLines } from './edit-lines.ts'
import type { Colours } from './io.ts'
import { pad, widthOf } from './table.ts'

export function renderApproval(shown: Presented, colours: Colours): string {
  const { bold, dim } = colours
  const widest = Math.max(...shown.fields.map(({ label }) => widthOf(label)))
  const lines = [
    `${riskColour(shown.risk.level, colours)(bold(shown.risk.word))}  ${bold(shown.title)}  ${dim(shown.ticket)}`,
    shown.state,
    '',
    ...shown.fields.map(({ label, text }) => `  ${dim(pad(label, widest))}  ${text}`),
  ]
  if (shown.evidence.length > 0) {
    lines.push('', `${bold('Evidence')} ${dim('(what is known; it does not say what happened)')}`)
    lines.push(...shown.evidence.map(({ label, text }) => `  ${dim(pad(label, 10))}  ${text}`))
  }
  const edited = editLines(shown, colours)
  if (edited.length > 0) lines.push('', ...edited)
  for (const { label, bytes, lines: text } of shown.sections) {
    const isEmpty = text.length === 1 && text[0] === '{}'
    lines.push('', `${bold(label)} ${dim(isEmpty ? '(none)' : `(${bytes} bytes, in full)`)}`)
    if (!isEmpty) lines.push(...text.map((line) => `  ${line}`))
  }
  for (const { label, about, lines: text, note } of shown.lookups) {
    lines.push('', `${bold(label)} ${dim(`(${about}; no part of what is approved)`)}`)
    lines.push(...text.map((line) => `  ${line}`), ...(note === null ? [] : [`  ${dim(note)}`]))
  }
  lines.push('', `${bold('Digest')}  ${shown.digest.short}`, dim(`  ${shown.digest.full}`))
  return lines.join('\n')
}

/** The colour only repeats what the word says. */
function riskColour(risk: Risk, { red, yellow, green }: Colours): (text: string) => string {
  switch (risk) {
    case 'low':
      return green
    case 'medium':
    case 'high':
      return yellow
    case 'critical':
      return red
  }
}

/** Local time to the minute; with the date when it is another day. */
export function localTime(atMs: number, nowMs: number): string {
  const time = new Date(atMs)
  const two = (value: number) => String(value).padStart(2, '0')
  const clock = `${two(time.getHours())}:${two(time.getMinutes())}`
  const isToday = time.toDateString() === new Date(nowMs).toDateString()
  return isToday ? clock : `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ${clock}`
}
