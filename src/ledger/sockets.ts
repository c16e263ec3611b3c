/** The TCP connections to the ledger, so that dead ones, which neither side has closed, can be given up at once. */
import { Socket } from 'node:net'

export interface Sockets {
  /** For `pg`: a socket that it connects itself. */
  open(): Socket
  /** Gives up all that were opened before `ms` (monotonic); whoever waits on one gets an error. @returns how many */
  giveUp(beforeMs: number): number
}

export function createSockets(): Sockets {
  const opened = new Map<Socket, number>()
  return {
    open() {
      const socket = new Socket()
      opened.set(socket, performance.now())
      socket.once('close', () => opened.delete(socket))
      return socket
    },
    giveUp(beforeMs) {
      const old = [...opened].filter(([, sinceMs]) => sinceMs < beforeMs).map(([socket]) => socket)
      for (const socket of old)
        socket.destroy(new Error('the ledger does not answer on this connection any more'))
      return old.length
    },
  }
}
