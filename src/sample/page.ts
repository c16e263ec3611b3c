/** One page of a list. A cursor is the number of the next item; one that cannot be read starts at the beginning. */

export interface Page<T> {
  readonly items: readonly T[]
  readonly nextCursor: string | null
}

export function page<T>(items: readonly T[], count: number, cursor: string | undefined): Page<T> {
  const size = Math.max(1, Math.floor(count))
  const start = /^\d{1,9}$/.test(cursor ?? '') ? Number(cursor) : 0
  const end = start + size
  return { items: items.slice(start, end), nextCursor: end < items.length ? String(end) : null }
}
