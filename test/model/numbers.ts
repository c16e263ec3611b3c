/** A list of numbers that grows, for millions of them: an array of JavaScript takes twice the room and is copied as often. */
export interface Numbers {
  readonly length: number
  at(index: number): number
  push(value: number): void
  all(): Float64Array
}

export function createNumbers(first: readonly number[] = []): Numbers {
  let values = Float64Array.from(first)
  let length = first.length
  return {
    get length() {
      return length
    },
    at: (index) => values[index] ?? Number.NaN,
    push(value) {
      if (length === values.length) {
        const longer = new Float64Array(Math.max(1_024, length * 2))
        longer.set(values)
        values = longer
      }
      values[length++] = value
    },
    all: () => values.subarray(0, length),
  }
}
