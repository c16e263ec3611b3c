/** Text of a presented approval in HTML. Its instants become `<time>`, which the script shows in the reader's own time. */
import type { InstantMs } from '../domain/approval.ts'
import type { Risk } from '../domain/risk.ts'

/** Control characters: text from outside has been made visible before, so that it cannot hold one. */
const MARK = '\u0002'

/** An instant inside a sentence, for `Told` to find. */
export const instantMark = (atMs: InstantMs): string => `${MARK}${atMs}${MARK}`

export function Told({ text }: { text: string }) {
  return <>{text.split(MARK).map((part, index) => (index % 2 === 1 ? <Time atMs={Number(part)} /> : part))}</>
}

export function Time({ atMs }: { atMs: InstantMs }) {
  const iso = new Date(atMs).toISOString()
  return (
    <time datetime={iso} title={iso}>
      {iso.slice(0, 16).replace('T', ' ')} UTC
    </time>
  )
}

const riskShapes: Readonly<Record<Risk, string>> = { low: '○', medium: '◔', high: '◑', critical: '●' }

/** Word and shape; never colour alone. */
export function RiskMark({ level, word }: { level: Risk; word: string }) {
  return (
    <span class={`risk risk-${level}`}>
      <span aria-hidden="true">{riskShapes[level]}</span> {word}
      <span class="unseen"> risk</span>
    </span>
  )
}
