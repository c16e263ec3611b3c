/**
 * One child process that speaks MCP over stdio: whole lines in and out as raw text, stderr drained into the log. It
 * runs without a shell in a process group of its own, and ending it ends its descendants, except those that left the
 * group on purpose (setsid). On Windows, which has no groups, only the child itself is ended.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { getDefaultEnvironment } from '@modelcontextprotocol/sdk/client/stdio.js'
import type { Log } from '../../ports/log.ts'
import { createLineSplitter } from './lines.ts'
import { endGroup } from './process-group.ts'
import { UpstreamFault } from './wire.ts'

/** Output that is still in the pipe when the process is gone is read for this long; a grandchild may keep it open. */
const LAST_WORDS_MS = 500
/** Messages that a child does not read wait in memory; four of the largest mean that it is stuck. */
const UNREAD_BYTES_MAX = 16 * 1024 * 1024
/** Enough for a sentence in the log; stack traces have many lines, not long ones. */
const STDERR_LINE_BYTES_MAX = 4 * 1024

/** How to start a server, as the configuration has it. */
export interface Command {
  readonly server: string
  readonly command: string
  readonly args: readonly string[]
  /** Added to the few variables that any program needs; nothing else of our environment is passed. */
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string | null
}

interface ChildOptions extends Command {
  readonly lineBytesMax: number
  readonly log: Log
  readonly onLine: (line: string) => void
  /** Called once, after the last line, with a half sentence that says why. */
  readonly onEnd: (reason: string) => void
}

export interface Child {
  /**
   * Puts one message into the child's input, in the order of the calls.
   * @throws UpstreamFault with `isSent: false` when the child is gone or does not read
   */
  write(message: string): void
  /** Ends the child and its descendants; resolves when they are gone. */
  kill(): Promise<void>
}

/** @throws UpstreamFault when the program cannot be started */
export async function startChild(options: ChildOptions): Promise<Child> {
  const { server, lineBytesMax, log, onLine, onEnd } = options
  const own = spawnChild(options)
  let endReason: string | null = null
  let killing: Promise<void> | null = null

  const exited = new Promise<void>((resolve) => own.once('exit', () => resolve()))
  const stdout = createLineSplitter({
    bytesMax: lineBytesMax,
    onLine: (line, isCut) => {
      if (endReason !== null) return
      if (!isCut) onLine(line)
      else end(`sent a line larger than ${lineBytesMax} bytes`)
    },
  })
  const stderr = createLineSplitter({
    bytesMax: STDERR_LINE_BYTES_MAX,
    onLine: (line) => log.info({ server, pid: own.pid, line }, 'stderr of an upstream'),
  })
  own.stdout.on('data', (chunk: Buffer) => stdout.feed(chunk))
  own.stderr.on('data', (chunk: Buffer) => stderr.feed(chunk))
  own.stderr.once('end', () => stderr.end())
  // Without a listener a failed signal would end this process. What matters shows as `exit`.
  own.on('error', (error) => log.debug({ server, pid: own.pid, error: error.message }, 'child process error'))
  own.stdin.on('error', () => end('does not read its input any more'))
  own.once('exit', (code, signal) => {
    void lastWords(own).then(() =>
      end(signal === null ? `exited with code ${code}` : `was ended by ${signal}`),
    )
  })

  function end(reason: string) {
    if (endReason !== null) return
    endReason = reason
    void kill()
    onEnd(reason)
  }

  function kill(): Promise<void> {
    killing ??= endOf(own, exited)
    return killing
  }

  await started(own, options)
  log.info({ server, pid: own.pid }, 'upstream process started')

  return {
    write(message) {
      const reason = endReason ?? (killing === null ? null : 'is being ended')
      if (reason !== null) throw new UpstreamFault(`the process of ${server} ${reason}`, false)
      if (own.stdin.writableLength > UNREAD_BYTES_MAX)
        throw new UpstreamFault(`the process of ${server} does not read its input`, false)
      // Line breaks in JSON stand between tokens, where a blank means the same; here they would end the message.
      own.stdin.write(`${message.replace(/[\r\n]+/g, ' ')}\n`)
    },
    kill,
  }
}

async function lastWords({ stdout, stderr }: ChildProcessWithoutNullStreams): Promise<void> {
  const left = [stdout, stderr].filter(({ readableEnded }) => !readableEnded)
  if (left.length === 0) return
  await Promise.race([Promise.all(left.map((stream) => once(stream, 'end'))), sleep(LAST_WORDS_MS)])
}

async function endOf(own: ChildProcessWithoutNullStreams, exited: Promise<void>): Promise<void> {
  own.stdin.end()
  if (own.pid !== undefined) await endGroup(own.pid, exited)
  own.stdout.destroy()
  own.stderr.destroy()
}

function spawnChild({ server, command, args, env, cwd }: Command): ChildProcessWithoutNullStreams {
  try {
    return spawn(command, args, {
      shell: false,
      detached: process.platform !== 'win32',
      windowsHide: true,
      stdio: 'pipe',
      env: { ...getDefaultEnvironment(), ...env },
      ...(cwd === null ? {} : { cwd }),
    })
  } catch (error) {
    throw new UpstreamFault(`${server} cannot be started: ${String(error)}`, false, { cause: error })
  }
}

/** node says ENOENT for a missing program and for a missing working directory alike. */
async function started(
  own: ChildProcessWithoutNullStreams,
  { server, command, cwd }: Command,
): Promise<void> {
  try {
    await once(own, 'spawn')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    const place = cwd === null ? '' : `, or its working directory ${cwd}`
    const hint =
      code === 'ENOENT'
        ? `the command ${command}${place} does not exist. Check "command" and "cwd" of this server in holdpoint.yaml and PATH.`
        : `${command}: ${code}`
    throw new UpstreamFault(`${server} cannot be started: ${hint}`, false, { cause: error })
  }
}
