/** Ends a process together with its descendants, by way of its process group (POSIX). */
import { setTimeout as sleep } from 'node:timers/promises'

/** MCP, Lifecycle, Shutdown: close its input, then SIGTERM "within a reasonable time", then SIGKILL. */
const GRACE_MS = 2_000
/** After SIGKILL only the kernel is waited for; a zombie that nobody reaps must not hold up a shutdown. */
const REAP_MS = 1_000
const POLL_MS = 10

/** Gives the group the chance to end by itself (its input was closed), then asks, then kills. */
export async function endGroup(leaderPid: number, leaderExit: Promise<unknown>): Promise<void> {
  const patience = new AbortController()
  await Promise.race([leaderExit, sleep(GRACE_MS, undefined, { signal: patience.signal }).catch(() => {})])
  patience.abort()
  // Whatever outlives the leader gets no grace of its own: it was the leader's to end.
  if (signalGroup(leaderPid, 'SIGTERM') && !(await isGoneWithin(leaderPid, GRACE_MS))) {
    signalGroup(leaderPid, 'SIGKILL')
    await isGoneWithin(leaderPid, REAP_MS)
  }
}

async function isGoneWithin(leaderPid: number, ms: number): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < ms; waitedMs += POLL_MS) {
    if (!signalGroup(leaderPid, 0)) return true
    await sleep(POLL_MS)
  }
  return false
}

/** Whether anyone was there to receive it. Windows has no groups: there the process itself is meant. */
function signalGroup(leaderPid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(process.platform === 'win32' ? leaderPid : -leaderPid, signal)
  } catch {
    return false
  }
}
