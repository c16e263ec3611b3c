/** Names with `*` for any run of characters. Nothing else is special, letters match byte for byte, matching is linear. */

export interface Glob {
  readonly source: string
  /** What stands between the stars; a single part is an exact name. */
  readonly parts: readonly string[]
}

export const glob = (source: string): Glob => ({ source, parts: source.split('*') })

export const isExact = ({ parts }: Glob): boolean => parts.length === 1

export function matchesGlob({ parts }: Glob, name: string): boolean {
  const [first = '', ...rest] = parts
  const last = rest.pop()
  if (last === undefined) return name === first
  if (!name.startsWith(first)) return false
  let at = first.length
  for (const part of rest) {
    const found = name.indexOf(part, at)
    if (found === -1) return false
    at = found + part.length
  }
  return name.length - last.length >= at && name.endsWith(last)
}

/** Whether every name that `inner` matches is one that `outer` matches; `false` where that is not sure. */
export function covers(outer: Glob, inner: Glob): boolean {
  if (isExact(inner)) return matchesGlob(outer, inner.source)
  if (outer.source === inner.source || outer.parts.every((part) => part === '')) return !isExact(outer)
  const [prefix = '', suffix = ''] = outer.parts
  if (outer.parts.length !== 2) return false
  return (inner.parts[0] ?? '').startsWith(prefix) && (inner.parts.at(-1) ?? '').endsWith(suffix)
}
