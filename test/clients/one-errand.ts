/** An agent that is started for one errand, with a model that runs it. */
import type { RealClient, Where } from './client.ts'
import type { Dialect } from './dialects.ts'
import { startModel } from './model.ts'
import { runIn } from './run-in.ts'

/** The name under which each agent knows the server. */
export const SERVER = 'pay'

/** @param start gives the command that does one errand, after whatever the agent has to be told before */
export function agent(
  dialect: Dialect,
  start: (
    where: Where,
    model: string,
  ) => Promise<{ command: readonly string[]; env: Record<string, string> }>,
): RealClient['connect'] {
  return async (where) => ({
    async run(errand) {
      const model = await startModel(dialect, SERVER, errand)
      try {
        const { command, env } = await start(where, model.origin)
        const ended = runIn(where.directory, command, env).then(({ text }) => {
          throw new Error(`the agent ended before its errand: ${text.slice(-600)}`)
        })
        return await Promise.race([model.found, ended])
      } finally {
        await model.close()
      }
    },
    close: async () => {},
  })
}
