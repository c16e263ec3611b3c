/** Lets work go on in turns: so much at once, and one piece for each key; the others wait, oldest first. */

export type Turns = <T>(key: string, work: () => Promise<T>) => Promise<T>

export function createTurns(atOnceMax: number): Turns {
  const busy = new Set<string>()
  const waiting: { readonly key: string; readonly start: () => void }[] = []

  function startNext() {
    if (busy.size >= atOnceMax) return
    const at = waiting.findIndex(({ key }) => !busy.has(key))
    const [next] = at < 0 ? [] : waiting.splice(at, 1)
    if (next === undefined) return
    busy.add(next.key)
    next.start()
  }

  return async function inTurn(key, work) {
    await new Promise<void>((start) => {
      waiting.push({ key, start })
      startNext()
    })
    try {
      return await work()
    } finally {
      busy.delete(key)
      startNext()
    }
  }
}
