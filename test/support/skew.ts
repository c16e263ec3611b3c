/** Real processes whose clock is wrong: libfaketime (apt-get install faketime), which leaves the monotonic clock and timers alone. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { skippedHere } from './missing.ts'

/** As `isRedisMissing`: skipped on a newcomer's machine, a failure where every submission is tested. */
export function isFaketimeMissing(): boolean {
  return library() === null && skippedHere('faketime is not installed', 'apt-get install faketime')
}

/** For the environment of a process. @param by such as `+10m` or `-10m` */
export function skewed(by: string): Record<string, string> {
  return {
    LD_PRELOAD: library() ?? '',
    FAKETIME: by,
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    FAKETIME_NO_CACHE: '1',
  }
}

/** Debian keeps it in a directory for each architecture. */
function library(): string | null {
  if (!existsSync('/usr/lib')) return null
  const places = readdirSync('/usr/lib').map((name) => join('/usr/lib', name, 'faketime/libfaketimeMT.so.1'))
  return places.find((place) => existsSync(place)) ?? null
}
