/**
 * Whether whoever opened a stream would be let in now. A request is admitted once, when it comes; a stream stays open for hours, and
 * an agent that was revoked meanwhile must not go on listening.
 */
import type { Principal } from '../../domain/principal.ts'
import type { Admission } from '../../ports/admission.ts'

/** `unknown`: nobody can tell for the moment, so that nothing changes. */
export type Standing = 'in' | 'out' | 'unknown'

export async function standingOf(
  { name, owner }: Principal,
  admit: () => Promise<Admission>,
): Promise<Standing> {
  const admission = await admit().catch(() => null)
  if (admission === null) return 'unknown'
  if (admission.kind === 'refused') return admission.because === 'keys_unavailable' ? 'unknown' : 'out'
  return admission.principal.name === name && admission.principal.owner === owner ? 'in' : 'out'
}
