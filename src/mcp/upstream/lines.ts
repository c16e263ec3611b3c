/** Splits a byte stream into lines of UTF-8 text. A line never takes more memory than its limit. */

interface LineOptions {
  readonly bytesMax: number
  /** `isCut`: the line was longer; this is its beginning, the rest is skipped. */
  readonly onLine: (line: string, isCut: boolean) => void
}

export function createLineSplitter({ bytesMax, onLine }: LineOptions) {
  let parts: Buffer[] = []
  let bytes = 0
  let isSkipping = false

  function take(part: Buffer) {
    if (isSkipping) return
    const room = bytesMax - bytes
    parts.push(part.length > room ? part.subarray(0, room) : part)
    bytes += part.length
    if (part.length <= room) return
    isSkipping = true
    emit(true)
  }

  function emit(isCut: boolean) {
    const line = Buffer.concat(parts).toString('utf8')
    parts = []
    bytes = 0
    onLine(line.endsWith('\r') ? line.slice(0, -1) : line, isCut)
  }

  return {
    feed(chunk: Buffer): void {
      let start = 0
      for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
        take(chunk.subarray(start, end))
        if (isSkipping) isSkipping = false
        else emit(false)
        start = end + 1
      }
      if (start < chunk.length) take(chunk.subarray(start))
    },
    /** The stream is over: a last line without its line break is a line. */
    end(): void {
      if (bytes > 0 && !isSkipping) emit(false)
    },
  }
}
