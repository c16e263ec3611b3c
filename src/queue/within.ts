/** Waits for something that may never end, for so long and no longer. */

/** @returns whether it ended in time; what it comes to later is nobody's concern. @throws what it throws in time */
export async function within(work: Promise<unknown>, limitMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), limitMs)
  })
  work.catch(() => {})
  try {
    return await Promise.race([work.then(() => true), limit])
  } finally {
    clearTimeout(timer)
  }
}
