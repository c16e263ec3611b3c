/** The sample server: `tools/list` as it stands in the file, `tools/call` checked, counted, then done. */
import assert from 'node:assert/strict'
import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import {
  CallToolRequestSchema,
  type CallToolResult,
  ErrorCode,
  ListToolsRequestSchema,
  McpError,
} from '@modelcontextprotocol/sdk/types.js'
import { accountTools, missingBot, missingLogin } from './account.ts'
import { boardTools } from './board.ts'
import { calendarTools } from './calendar.ts'
import { argumentChecks, toolList } from './catalog.ts'
import { driveTools } from './drive.ts'
import { mailTools } from './mail.ts'
import { messageTools } from './messages.ts'
import { taskTools } from './tasks.ts'
import { type Answer, type Dependencies, guarded, refused } from './tool.ts'

const SERVER_INFO = { name: 'nworks (sample)', title: 'NAVER WORKS (sample)', version: '0.1.0' }
const INSTRUCTIONS =
  'This is a sample that imitates NAVER WORKS for trying out a gateway. It has the tools of the real server, ' +
  'works on a small local directory and reaches no NAVER WORKS account. ' +
  '이 서버는 샘플이며 실제 NAVER WORKS와 연결되어 있지 않습니다.'
const SAMPLE_MARK = '[nworks (sample)]'

export function createSampleServer(dependencies: Dependencies): Server {
  const call = createCall(dependencies)
  const server = new Server(SERVER_INFO, { capabilities: { tools: {} }, instructions: INSTRUCTIONS })
  server.setRequestHandler(ListToolsRequestSchema, () => toolList)
  server.setRequestHandler(CallToolRequestSchema, ({ params }) =>
    toResult(call(params.name, params.arguments ?? {})),
  )
  return server
}

function createCall(dependencies: Dependencies) {
  const { state, nowMs } = dependencies
  const handlers = new Map(
    Object.entries({
      ...accountTools(dependencies),
      ...guarded(() => missingBot(state), messageTools(dependencies)),
      ...guarded(() => missingLogin(state), {
        ...calendarTools(dependencies),
        ...driveTools(dependencies),
        ...mailTools(dependencies),
        ...taskTools(dependencies),
        ...boardTools(dependencies),
      }),
    }),
  )
  assert.deepEqual([...handlers.keys()].toSorted(), [...argumentChecks.keys()].toSorted())

  return function call(tool: string, args: unknown): Answer {
    const check = argumentChecks.get(tool)
    const run = handlers.get(tool)
    if (check === undefined || run === undefined)
      throw new McpError(ErrorCode.InvalidParams, `Unknown tool: ${tool}`)
    const problem = check(args)
    if (problem !== null) return refused(`잘못된 인자입니다 (invalid arguments): ${problem}`)
    state.recordCall(tool, nowMs())
    return run(args)
  }
}

function toResult({ kind, text }: Answer): CallToolResult {
  const content: CallToolResult['content'] = [{ type: 'text', text: `${SAMPLE_MARK} ${text}` }]
  return kind === 'refused' ? { content, isError: true } : { content }
}
