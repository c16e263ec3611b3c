/** Loaded into a gateway before anything else: keeps what ought to go, in the way that HOLDPOINT_SOAK_LEAK names. */
import { openSync } from 'node:fs'
import { Server } from 'node:http'

const kept = []
const leaks = {
  // The stream of every answer.
  streams() {
    const Original = globalThis.TransformStream
    globalThis.TransformStream = class TransformStream extends Original {
      constructor(...args) {
        super(...args)
        kept.push(this)
      }
    }
  },
  descriptors() {
    const { emit } = Server.prototype
    Server.prototype.emit = function leakyEmit(name, ...args) {
      if (name === 'request' && kept.length < 2_000) kept.push(openSync('/dev/null', 'r'))
      return emit.call(this, name, ...args)
    }
  },
  timers() {
    const { emit } = Server.prototype
    Server.prototype.emit = function leakyEmit(name, ...args) {
      if (name === 'request') kept.push(setInterval(() => {}, 60_000))
      return emit.call(this, name, ...args)
    }
  },
}
leaks[process.env.HOLDPOINT_SOAK_LEAK]?.()
