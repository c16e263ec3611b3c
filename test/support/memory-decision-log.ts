/** The decision log in memory, under the same contract as the one in PostgreSQL. */
import type { DecisionLog, LoggedVerdict } from '../../src/ports/decision-log.ts'

export interface MemoryDecisionLog extends DecisionLog {
  /** While true, every method throws. */
  isAway: boolean
  lines: readonly LoggedVerdict[]
}

export function createMemoryDecisionLog(nowMs: () => number = () => Date.now()): MemoryDecisionLog {
  let last = 0
  const answer = () => {
    if (log.isAway) throw new Error('the decision log is away')
  }
  const log: MemoryDecisionLog = {
    isAway: false,
    lines: [],
    async add(verdicts) {
      answer()
      log.lines = [...log.lines, ...verdicts.map((each) => ({ ...each, id: ++last }))]
    },
    async list({ fromMs, server, agent, owner, verdict, isTried, limit, before }) {
      answer()
      return log.lines
        .filter(({ atMs, id }) => atMs >= fromMs && (before === null || id < before))
        .filter((line) => server === null || line.server === server)
        .filter((line) => agent === null || line.principal.name === agent)
        .filter((line) => owner === null || line.principal.owner === owner)
        .filter((line) => verdict === null || line.verdict === verdict)
        .filter((line) => !isTried || line.asIf !== null)
        .sort((a, b) => b.id - a.id)
        .slice(0, limit)
    },
    async sweep(keepMs, linesMax, limit) {
      answer()
      const gone = log.lines
        .filter(({ atMs, id }) => atMs < nowMs() - keepMs || id <= last - linesMax)
        .slice(0, limit)
      log.lines = log.lines.filter((line) => !gone.includes(line))
      return gone.length
    },
  }
  return log
}
