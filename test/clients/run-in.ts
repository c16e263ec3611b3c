/** Runs a program to its end in a home of its own, and with nothing else of this machine's user. */
import { execFile } from 'node:child_process'

const PROGRAM_MS_MAX = 200_000

interface Said {
  readonly ok: boolean
  readonly text: string
}

export function runIn(
  directory: string,
  [program = '', ...args]: readonly string[],
  env: Record<string, string> = {},
): Promise<Said> {
  const surroundings = { PATH: process.env.PATH ?? '', HOME: directory, ...env }
  return new Promise((done) => {
    const options = { cwd: directory, env: surroundings, timeout: PROGRAM_MS_MAX }
    const child = execFile(program, args, options, (error, stdout, stderr) =>
      done({ ok: error === null, text: `${stdout}${stderr}` }),
    )
    child.stdin?.end()
  })
}
