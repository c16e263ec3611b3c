/**
 * Bull Board over the queues, for looking only: whatever would change a job is refused. Jobs carry ids, so it shows nothing of
 * a call. It is mounted at `/queues` and knows no people: whoever mounts it asks who is there.
 */
import { Queue as BullQueue } from 'bullmq'
import type { Hono } from 'hono'

export interface Board {
  fetch(request: Request): Promise<Response>
}

const BASE_PATH = '/queues'

/** Its page has a style of its own in it and loads the rest from us. */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'self'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** Loaded when somebody looks for the first time. */
export function createBoard(queues: readonly object[]): Board {
  let opening: Promise<Hono> | null = null
  return {
    async fetch(request) {
      opening ??= open(queues)
      return (await opening).fetch(request)
    },
  }
}

async function open(queues: readonly object[]): Promise<Hono> {
  const [{ createBullBoard }, { BullMQAdapter }, { HonoAdapter }, { serveStatic }, { Hono }] =
    await Promise.all([
      import('@bull-board/api'),
      import('@bull-board/api/bullMQAdapter'),
      import('@bull-board/hono'),
      import('@hono/node-server/serve-static'),
      import('hono'),
    ])
  const adapter = new HonoAdapter(serveStatic)
  createBullBoard({
    queues: queues
      .filter((queue) => queue instanceof BullQueue)
      .map((queue) => new BullMQAdapter(queue, { readOnlyMode: true })),
    serverAdapter: adapter,
    options: {
      uiConfig: {
        boardTitle: 'Holdpoint queues',
        hideRedisDetails: true,
        miscLinks: [{ text: 'Console', url: '/' }],
      },
    },
  })
  adapter.setBasePath(BASE_PATH)

  const app = new Hono()
  app.use('*', async function keepToOurselves(c, next) {
    await next()
    c.header('Content-Security-Policy', contentSecurityPolicy)
    c.header('X-Content-Type-Options', 'nosniff')
    c.header('Referrer-Policy', 'same-origin')
    if (c.res.headers.get('content-type')?.startsWith('text/html') !== true) return
    // It would fetch fonts from Google, who then knew who looks at queues.
    const page = await c.res.text()
    c.res = new Response(page.replace(/<link[^>]+href="https?:[^>]*>/g, ''), c.res)
  })
  app.route(BASE_PATH, adapter.registerPlugin())
  return app
}
