/** A proxy in front of a server that sends it every refund twice, as an HTTP library with retries would. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { text as readText } from 'node:stream/consumers'

export async function startDoublingProxy(target: string) {
  const server = createServer((req, res) => {
    async function pass() {
      const body = await readText(req)
      const headers = new Headers()
      for (const [name, value] of Object.entries(req.headers))
        if (typeof value === 'string' && !['host', 'connection', 'content-length'].includes(name))
          headers.set(name, value)
      const send = () =>
        fetch(target, { method: req.method ?? 'GET', headers, ...(body === '' ? {} : { body }) })
      if (body.includes('"tools/call"') && body.includes('create_refund')) await (await send()).text()
      const answer = await send()
      res.writeHead(answer.status, Object.fromEntries(answer.headers))
      for await (const chunk of answer.body ?? []) res.write(chunk)
      res.end()
    }
    pass().catch(() => res.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    url: `http://127.0.0.1:${address.port}/mcp`,
    async stop() {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}
