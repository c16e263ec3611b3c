/** What a command may do with the person in front of it. Everything a command says goes through here. */
import { createInterface } from 'node:readline/promises'
import { createColors } from 'picocolors'
import type { Surroundings } from '../config.ts'

export type Colours = ReturnType<typeof createColors>

export interface Io {
  /** The result: what a program would read. */
  out(text: string): void
  /** Everything else: what went wrong, what to do, questions. */
  err(text: string): void
  /** Somebody can be asked. */
  readonly isInteractive: boolean
  readonly colours: Colours
  /** What was typed; empty when the person left. */
  ask(question: string): Promise<string>
}

/** 0: done · 1: refused or failed · 2: used or configured wrongly. */
export type ExitCode = 0 | 1 | 2

export function terminalIo({ env }: Surroundings): Io {
  const { stdin, stdout, stderr } = process
  // A reader such as `head` that has seen enough is no fault.
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(0)
  })
  const isPlain = (env.NO_COLOR ?? '') !== '' || env.TERM === 'dumb'
  return {
    out: (text) => void stdout.write(`${text}\n`),
    err: (text) => void stderr.write(`${text}\n`),
    isInteractive: stdin.isTTY && stderr.isTTY,
    colours: createColors(stdout.isTTY && !isPlain),
    ask(question) {
      const lines = createInterface({ input: stdin, output: stderr })
      return new Promise((resolve) => {
        lines.once('SIGINT', () => lines.close())
        // After an answer this changes nothing; without one (Ctrl-C, Ctrl-D) it is the answer.
        lines.once('close', () => resolve(''))
        lines.question(question).then(
          (answer) => {
            resolve(answer)
            lines.close()
          },
          () => resolve(''),
        )
      })
    },
  }
}
