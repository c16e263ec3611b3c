/** What kinds of answer a client can read, from its `Accept` header. Many clients state less than the standard asks for. */

export interface Accepts {
  readonly json: boolean
  readonly events: boolean
  /** The client said nothing that would bind an upstream, so both kinds may be offered in its name. */
  readonly isOpen: boolean
}

/** `null`: it accepts neither. */
export function readAccepts(header: string | null): Accepts | null {
  const ranges = (header ?? '*/*').split(',').map((range) => (range.split(';')[0] ?? '').trim().toLowerCase())
  const names = (...types: string[]) => types.some((type) => ranges.includes(type))
  const isOpen = names('*/*')
  const json = isOpen || names('application/json', 'application/*')
  const events = isOpen || names('text/event-stream', 'text/*')
  return json || events ? { json, events, isOpen } : null
}
