/** The log: lines for people on a terminal, JSON for everything else. Always on stderr, so that stdout stays the program's own. */
import { pino } from 'pino'
import pretty from 'pino-pretty'
import type { Log } from '../ports/log.ts'

export function createLog(level: string, isTerminal: boolean): Log {
  if (!isTerminal) return pino({ level, base: null }, pino.destination({ dest: 2, sync: true }))
  const stream = pretty({ destination: 2, sync: true, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss' })
  return pino({ level, base: null }, stream)
}

/** For commands whose own output is all a person wants to see. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} }
