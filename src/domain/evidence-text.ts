/** The evidence about a call whose end nobody knows, in lines for people. It never says what happened: that is for them to find out. */
import type { InstantMs } from './approval.ts'
import type { Evidence, LateReply, ProvedUnsent, SendTrace } from './evidence.ts'
import { visible } from './visible.ts'

export interface EvidenceLine {
  readonly label: string
  readonly text: string
}

/** @param when an instant in the words of the surface */
export function evidenceLines(
  evidence: Evidence,
  when: (atMs: InstantMs) => string,
): readonly EvidenceLine[] {
  const { before, send, after, lateReplies, unsent } = evidence
  return [
    {
      label: 'Before',
      text:
        before === null
          ? 'what was found before it was to be sent was not kept'
          : `${when(before.atMs)}: the upstream answered and offered this tool, as it was approved (definition ${before.toolDefinitionDigest.slice(0, 12)})`,
    },
    { label: 'Sending', text: sendText(send) },
    {
      label: 'Afterwards',
      text:
        after === null
          ? 'nobody has looked at the upstream since'
          : `${when(after.atMs)}: ${after.isReachable ? visible(after.said) : `it could not be reached: ${visible(after.said)}`}`,
    },
    ...lateReplies.map((reply) => ({ label: 'Came later', text: lateText(reply, when) })),
    ...(unsent === null ? [] : [{ label: 'Came later', text: unsentText(unsent, when) }]),
  ]
}

function sendText({ progress, httpStatus, error }: SendTrace): string {
  const end = error === null ? '' : `; ${visible(error)}`
  switch (progress) {
    case 'unknown':
      return `how far it came is not known${end}`
    case 'begun':
      return `the request was being written: any part of it may have arrived${end}`
    case 'response':
      return `it arrived, and a response began (HTTP ${httpStatus ?? 'unknown'}), without an answer${end}`
  }
}

const unsentText = ({ atMs, reason }: ProvedUnsent, when: (atMs: InstantMs) => string) =>
  `${when(atMs)}: the gateway that had claimed it came back and knows that it sent nothing (${visible(reason)}). The outcome stays unknown until a person says what happened.`

const lateText = ({ atMs, kind, isError, digest, bytes }: LateReply, when: (atMs: InstantMs) => string) => {
  const what =
    kind === 'error' ? 'an error' : isError ? 'a result that says that the tool failed' : 'a result'
  return `${when(atMs)}: the upstream sent ${what} after all (${bytes} bytes, digest ${digest.slice(0, 12)}). The outcome stays unknown until a person says what happened.`
}
