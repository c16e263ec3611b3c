/** Reads the `evidence` of an `approval` block: read-only calls whose arguments are literals or values of the call. */
import type { z } from 'zod'
import { LOOKUP_ARGUMENTS_MAX } from '../../domain/limits.ts'
import type { LookupArgument, LookupCall } from '../../domain/lookups.ts'
import { parsePath } from '../../domain/policy/value-path.ts'
import type { Path } from '../document.ts'
import type { Reader } from './reader.ts'
import type { approvalShape } from './shapes.ts'

type Written = NonNullable<z.output<typeof approvalShape>['evidence']>

export function readEvidence(reader: Reader, written: Written, at: Path): readonly LookupCall[] | null {
  const calls = written.map(({ tool, label = null, arguments: args = {} }, index): LookupCall => {
    const place = [...at, index, 'arguments']
    const entries = Object.entries(args)
    if (entries.length > LOOKUP_ARGUMENTS_MAX) {
      reader.refuse(place, `there are more than ${LOOKUP_ARGUMENTS_MAX} arguments`, 'write fewer')
    }
    const filled = entries.map(([name, value]) => argumentOf(reader, name, value, [...place, name]))
    return { label, tool, arguments: filled.filter((argument) => argument !== null) }
  })
  return calls.length === 0 ? null : calls
}

function argumentOf(
  reader: Reader,
  name: string,
  value: string | number | boolean | { path: string },
  at: Path,
): LookupArgument | null {
  if (typeof value !== 'object') return { name, value }
  const path = parsePath(value.path)
  const remedy = 'write the place of an argument, as args.charge'
  if (!path.ok) return reader.refuse([...at, 'path'], path.error, remedy)
  if (path.value.root !== 'args') {
    return reader.refuse([...at, 'path'], 'only an argument of the call can be given on', remedy)
  }
  return { name, path: path.value }
}
