/** The known name that a mistyped one was probably meant to be. */

/** `null` where nothing known is close enough to be what was meant. */
export function didYouMean(word: string, known: Iterable<string>): string | null {
  let best: { readonly name: string; readonly distance: number } | null = null
  for (const name of known) {
    const distance = editDistance(word.toLowerCase(), name.toLowerCase())
    if (distance <= Math.max(1, Math.floor(name.length / 3)) && distance < (best?.distance ?? Infinity)) {
      best = { name, distance }
    }
  }
  return best === null ? null : `did you mean "${best.name}"?`
}

/** Levenshtein, with two neighbours swapped counted as one slip. */
function editDistance(a: string, b: string): number {
  // Words longer than this are no slips of the finger, and the table below grows with their product.
  if (a.length > 128 || b.length > 128) return Infinity
  const row = (i: number) => Array.from({ length: b.length + 1 }, (_, j) => (i === 0 ? j : j === 0 ? i : 0))
  let [before, previous] = [row(0), row(0)]
  for (let i = 1; i <= a.length; i++) {
    const current = row(i)
    for (let j = 1; j <= b.length; j++) {
      const replace = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      let least = Math.min((previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1, replace)
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (isSwap) least = Math.min(least, (before[j - 2] ?? 0) + 1)
      current[j] = least
    }
    ;[before, previous] = [previous, current]
  }
  return previous[b.length] ?? Infinity
}
