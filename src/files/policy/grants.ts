/** Reads the `grants` of an `approval` block: how much an approver may allow besides the call that they say yes to. */
import type { z } from 'zod'
import {
  type Bound,
  boundOf,
  GRANT_DURATION_MS_MAX,
  GRANT_DURATION_MS_MIN,
  type GrantTerms,
  type MayDiffer,
} from '../../domain/policy/grant-terms.ts'
import type { ApprovalTerms } from '../../domain/policy/rule.ts'
import { parsePath } from '../../domain/policy/value-path.ts'
import type { Path } from '../document.ts'
import { durationMs } from '../duration.ts'
import { pathRemedy, readComparisons } from './conditions.ts'
import type { Reader } from './reader.ts'
import type { approvalShape } from './shapes.ts'

type Written = NonNullable<z.output<typeof approvalShape>['grants']>

export function readGrants(
  reader: Reader,
  written: Written | undefined,
  { stages, quorum }: Pick<ApprovalTerms, 'stages' | 'quorum'>,
  at: Path,
): GrantTerms | null {
  if (written === undefined) return null
  if (stages !== null || quorum !== null) {
    const message = 'where several people have to say yes, none of them can allow more for the others'
    reader.refuseKey(at, message, 'remove it, or let one yes decide')
  }
  const durationMsMax = durationMs(written.max_duration)
  if (!(durationMsMax >= GRANT_DURATION_MS_MIN && durationMsMax <= GRANT_DURATION_MS_MAX)) {
    reader.refuse([...at, 'max_duration'], 'the duration is out of bounds', 'write one between 1m and 24h')
  }
  const mayDiffer = (written.may_differ ?? []).flatMap((one, index) => {
    const read = readMayDiffer(reader, one, [...at, 'may_differ', index])
    return read === null ? [] : [read]
  })
  const inOrder = mayDiffer.toSorted((a, b) => (a.path < b.path ? -1 : 1))
  for (const [index, { path }] of inOrder.entries()) {
    if (inOrder[index - 1]?.path !== path) continue
    reader.refuse([...at, 'may_differ'], `"${path}" stands here twice`, 'write its bounds in one entry')
  }
  return { usesMax: written.max_uses, durationMsMax, mayDiffer: inOrder }
}

function readMayDiffer(
  reader: Reader,
  written: NonNullable<Written['may_differ']>[number],
  at: Path,
): MayDiffer | null {
  const { path: source, ...bounds } = typeof written === 'string' ? { path: written } : written
  const place = typeof written === 'string' ? at : [...at, 'path']
  const path = parsePath(source)
  if (!path.ok) return reader.refuse(place, path.error, pathRemedy)
  const { root, steps } = path.value
  if (root !== 'args' || steps.length === 0) {
    const remedy = 'write one argument, as args.note'
    return reader.refuse(place, 'only single arguments of a call may differ', remedy)
  }
  const keys = steps.filter((step) => typeof step === 'string')
  if (keys.length < steps.length) {
    const remedy = 'let another argument differ, or decide about such calls one by one'
    return reader.refuse(place, 'what stands in a list cannot be let free', remedy)
  }
  const comparisons = readComparisons(reader, bounds, at)
  if (comparisons === null) return null
  const is = comparisons.map(boundOf).filter((bound) => bound !== null)
  checkBounds(reader, is, at)
  return { path: source, steps: keys, is }
}

/** Of a number that is only bounded above, a large negative one would be within its bounds. */
function checkBounds(reader: Reader, is: readonly Bound[], at: Path): void {
  const isUp = is.some(({ op }) => op === 'lt' || op === 'lte')
  const isDown = is.some(({ op }) => op === 'gt' || op === 'gte')
  if (isUp === isDown) return
  const remedy = isUp ? 'write `gte: 0` as well' : 'write `lte` as well'
  reader.refuse(at, 'a number is bounded on one side only', remedy)
}
