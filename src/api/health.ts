/** `/healthz`: the process lives. `/readyz`: it can do its work now, and if not, what is missing; also what makes it slow. */
import { Hono } from 'hono'
import type { Log } from '../ports/log.ts'

export interface Check {
  /** As an operator knows it: `ledger`, `lease`, `running`. */
  readonly name: string
  /** A sentence about what is missing, `null` when all is well. A throw counts as missing. */
  missing(): Promise<string | null>
}

/** A probe asks every few seconds; what takes longer than this is not ready. */
const CHECK_MS_MAX = 2_000

export function createHealth(deps: {
  checks: readonly Check[]
  /** What costs speed only. Taking every gateway out of service because of it would turn a delay into an outage. */
  hints: readonly Check[]
  log: Log
}): Hono {
  const { checks, hints, log } = deps

  async function look({ name, missing }: Check): Promise<{ name: string; missing: string | null }> {
    let timer: NodeJS.Timeout | undefined
    const tooSlow = new Promise<string>((resolve) => {
      timer = setTimeout(() => resolve(`did not answer within ${CHECK_MS_MAX} ms`), CHECK_MS_MAX)
    })
    try {
      return { name, missing: await Promise.race([missing(), tooSlow]) }
    } catch (error) {
      log.warn({ err: error, check: name }, 'a readiness check failed')
      return { name, missing: 'did not answer' }
    } finally {
      clearTimeout(timer)
    }
  }

  const app = new Hono()
  app.use('*', async function noStore(c, next) {
    await next()
    c.header('Cache-Control', 'no-store')
  })
  app.get('/healthz', (c) => c.json({ alive: true }))
  app.get('/readyz', async (c) => {
    const looked = await Promise.all([Promise.all(checks.map(look)), Promise.all(hints.map(look))])
    const [missing = [], impaired = []] = looked.map((list) => list.filter((check) => check.missing !== null))
    return c.json({ ready: missing.length === 0, missing, impaired }, missing.length === 0 ? 200 : 503)
  })
  return app
}
