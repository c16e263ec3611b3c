/** A stdio server with a handshake that does what the name of the tool says, in raw text: for what an SDK would tidy up. */
import { createInterface } from 'node:readline'

const out = (...messages) => process.stdout.write(messages.map((message) => `${message}\n`).join(''))
const tools = ['burst', 'marks', 'hang', 'heard', 'exit', 'noise', 'pid', 'level', 'sample', 'free', 'gated']
const heard = []
let level = 'none'
let onSampled = () => {}

createInterface({ input: process.stdin }).on('line', (line) => {
  const message = JSON.parse(line)
  const { id, method, params } = message
  const rawId = JSON.stringify(id)
  const result = (value) => `{"jsonrpc":"2.0","id":${rawId},"result":${JSON.stringify(value)}}`
  const text = (said) => result({ content: [{ type: 'text', text: said }] })
  switch (method) {
    case 'initialize':
      return out(
        result({
          protocolVersion: params.protocolVersion,
          capabilities: { tools: { listChanged: true }, logging: {} },
          serverInfo: { name: 'scripted', version: '1' },
        }),
      )
    // Before any client can have opened its stream.
    case 'notifications/initialized':
      return out('{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}')
    case 'ping':
      return out(result({}))
    case 'logging/setLevel':
      level = params.level
      return out(result({}))
    case 'tools/list':
      return out(result({ tools: tools.map((name) => ({ name, inputSchema: { type: 'object' } })) }))
    case 'notifications/cancelled':
      return void heard.push(line)
    case 'tools/call':
      break
    default:
      if (method === undefined) onSampled(message.result)
      else if (id !== undefined)
        out(`{"jsonrpc":"2.0","id":${rawId},"error":{"code":-32601,"message":"Method not found"}}`)
      return
  }
  const rawToken = JSON.stringify(params._meta?.progressToken ?? null)
  const progress = (done) =>
    `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":${rawToken},"progress":${done}}}`
  switch (params.name) {
    // All of it in one piece, the last progress right before the answer.
    case 'burst':
      return out(progress(1), progress(2), progress(3), progress(4), text('after the last progress'))
    case 'marks':
      return out(progress(1), text(`id ${rawId}, token ${rawToken}`))
    case 'hang':
      heard.push(line)
      return
    case 'heard':
      return out(text(JSON.stringify(heard)))
    case 'exit':
      return process.exit(3)
    // More than a pipe holds: whoever does not read it keeps us waiting.
    case 'noise':
      return process.stderr.write(`${'n'.repeat(99)}\n`.repeat(3_000), () => out(text('said it all')))
    case 'pid':
      return out(text(String(process.pid)))
    case 'level':
      return out(text(level))
    case 'sample':
      onSampled = (answer) => out(text(JSON.stringify(answer)))
      return out(
        '{"jsonrpc":"2.0","id":"ask","method":"sampling/createMessage","params":{"messages":[],"maxTokens":1}}',
      )
    default:
      out(text(`${params.name} ran`))
  }
})
