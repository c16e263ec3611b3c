/** True, false, or unknown: Kleene's logic, in which more knowledge never turns a known answer around. */

/** `null`: cannot be known. */
export type Truth = boolean | null

/** False where one is false, else unknown where one is unknown. */
export function allOf<T>(items: readonly T[], truth: (item: T) => Truth): Truth {
  let result: Truth = true
  for (const item of items) {
    const each = truth(item)
    if (each === false) return false
    if (each === null) result = null
  }
  return result
}

/** True where one is true, else unknown where one is unknown. */
export function anyOf<T>(items: readonly T[], truth: (item: T) => Truth): Truth {
  let result: Truth = false
  for (const item of items) {
    const each = truth(item)
    if (each === true) return true
    if (each === null) result = null
  }
  return result
}

export const not = (truth: Truth): Truth => (truth === null ? null : !truth)
