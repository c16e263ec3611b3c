/** The real outside of the commands. Heavy parts are loaded only by the command that needs them. */
import type { Io } from './io.ts'
import type { Parts } from './parts.ts'

export const outside = (io: Io): Pick<Parts, 'openCredentials' | 'bridge' | 'start' | 'demo'> => ({
  async openCredentials(config) {
    const { openLedger } = await import('../launch/ledger.ts')
    const { silentLog } = await import('../launch/log.ts')
    return openLedger(config, silentLog)
  },
  async bridge(to) {
    const { bridgeStdio } = await import('../launch/stdio-bridge.ts')
    return bridgeStdio(to)
  },
  async start() {
    const { runStart } = await import('../launch/start.ts')
    return runStart()
  },
  async demo(options) {
    const { runDemo } = await import('../demo/demo.ts')
    const { isInteractive, colours, out } = io
    const isAsItShouldBe = await runDemo({
      ...options,
      isInteractive,
      hasColours: colours.isColorSupported,
      out,
    })
    return isAsItShouldBe ? 0 : 1
  },
})
