/** What a revision changes, in a few lines: enough for a log line, not a whole diff. */
import { diffLines } from 'diff'
import { approversWords } from '../domain/judgement.ts'
import type { ApproverChain } from '../domain/policy.ts'
import { approversDigest } from '../domain/revision.ts'

interface Said {
  readonly text: string | null
  readonly approvers: ApproverChain
}

const SHOWN_MAX = 10
/** Comparing texts that share nothing takes time by the square of their length. */
const EDITS_MAX = 2_000

export function changedLines(before: Said, after: Said): readonly string[] {
  const parts = diffLines(before.text ?? '', after.text ?? '', { maxEditLength: EDITS_MAX })
  if (parts === undefined) return ['too much to list here']
  const lines = parts.flatMap(({ added, removed, value }) =>
    added || removed
      ? value
          .split('\n')
          .filter((line) => line.trim() !== '')
          .map((line) => `${added ? '+' : '-'} ${line}`)
      : [],
  )
  if (approversDigest(before.approvers) !== approversDigest(after.approvers)) {
    lines.push(`approvers: ${approversWords(before.approvers)} → ${approversWords(after.approvers)}`)
  }
  const hidden = lines.length - SHOWN_MAX
  return hidden > 0 ? [...lines.slice(0, SHOWN_MAX), `… and ${hidden} more`] : lines
}
