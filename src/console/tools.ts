/** The routes of the tools' pages: looking for everybody who is signed in, accepting for those who decide about a server's calls. */
import { type Context, Hono } from 'hono'
import type { ToolReviews } from '../services/tool-reviews.ts'
import { type ConsoleEnv, formOf, isFormTokenOf, isFromOurPage } from './guard.ts'
import type { Reader } from './layout.tsx'
import { problemPage } from './problem-page.tsx'
import { toolPage } from './tool-page.tsx'
import { type ToolsView, toolServersPage, toolsPage } from './tools-page.tsx'

export function toolsRoutes(deps: {
  reviews: ToolReviews
  publicUrl: URL | null
  readerOf(c: Context<ConsoleEnv>): Reader
}) {
  const { reviews, publicUrl, readerOf } = deps
  const app = new Hono<ConsoleEnv>()

  async function showServer(
    c: Context<ConsoleEnv>,
    server: string,
    notice: ToolsView['notice'],
  ): Promise<Response> {
    const reader = readerOf(c)
    const tools = reviews.ofServer(server)
    if (tools.length === 0) {
      return c.html(problemPage(c.req.path, reader, 'No tool of such a server was seen yet.'), 404)
    }
    const mayAccept = reviews.mayAccept(reader.person, server)
    const tried = await reviews.tried(server)
    return c.html(toolsPage({ server, tools, tried, mayAccept, notice }, reader))
  }

  function showTool(c: Context<ConsoleEnv>, notice: string | null, status: 200 | 403 | 409 = 200) {
    const { server = '', tool = '' } = c.req.param()
    const reader = readerOf(c)
    const review = reviews.show(server, tool)
    if (review === null) {
      return c.html(problemPage(c.req.path, reader, 'No tool of this name was seen on this server.'), 404)
    }
    const mayAccept = reviews.mayAccept(reader.person, server)
    return c.html(toolPage(review, { mayAccept, notice }, reader), status)
  }

  app.get('/tools', (c) => {
    const counts = new Map(reviews.waiting().map(({ server, tools }) => [server, tools]))
    const servers = reviews.servers().map((server) => ({ server, waiting: counts.get(server) ?? 0 }))
    return c.html(toolServersPage(servers, readerOf(c)))
  })
  app.get('/tools/:server', (c) => showServer(c, c.req.param('server'), null))
  app.get('/tools/:server/:tool', (c) => showTool(c, null))

  app.post('/tools/:server/:tool', async (c) => {
    const { server, tool } = c.req.param()
    const form = await formOf(c)
    const isOurs = isFromOurPage(c, publicUrl) && isFormTokenOf(c.get('token'), form?.get('token') ?? null)
    if (form === null || !isOurs) return showTool(c, 'This did not come from our own page.', 403)
    if (!reviews.mayAccept(c.get('person'), server)) {
      return showTool(c, 'Only people who may decide about calls to this server accept its tools.', 403)
    }
    if (!(await reviews.accept(server, tool, form.get('digest') ?? '', c.get('person')))) {
      return showTool(
        c,
        'It was accepted already, or the server changed it again. This is what it is now.',
        409,
      )
    }
    return c.redirect(`../${server}`, 303)
  })
  return app
}
