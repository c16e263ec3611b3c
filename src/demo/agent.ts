/** The demo's agent: a real MCP client over Streamable HTTP that waits as a well-behaved agent does. */
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { CallToolResultSchema } from '@modelcontextprotocol/sdk/types.js'
import { z } from 'zod'
import { META_APPROVAL } from '../domain/tool-call.ts'

export interface Agent {
  /** @param onWaiting gets what the gateway tells the agent meanwhile */
  call(tool: string, onWaiting: (message: string) => void): Promise<Called>
  close(): Promise<void>
}

export interface Called {
  readonly isError: boolean
  readonly text: string
  /** What the gateway says about the approval, if there is one. */
  readonly outcome: string | null
}

/** A client that resets its clock on progress can wait for hours; this one gives up after a day. */
const WAIT_MS_MAX = 24 * 60 * 60 * 1_000
const SILENCE_MS_MAX = 90_000

const approvalMeta = z.object({ status: z.string(), outcome: z.string().nullish() })

export async function connectAgent(url: string, token: string): Promise<Agent> {
  const client = new Client({ name: 'holdpoint-demo-agent', version: '1.0.0' })
  const transport = new StreamableHTTPClientTransport(new URL(url), {
    requestInit: { headers: { authorization: `Bearer ${token}` } },
  })
  await client.connect(transport)

  return {
    async call(tool, onWaiting) {
      for (;;) {
        const result = await client.request(
          { method: 'tools/call', params: { name: tool, arguments: {} } },
          CallToolResultSchema,
          {
            timeout: SILENCE_MS_MAX,
            maxTotalTimeout: WAIT_MS_MAX,
            resetTimeoutOnProgress: true,
            onprogress: ({ message }) => onWaiting(message ?? 'working'),
          },
        )
        const approval = approvalMeta.safeParse(result._meta?.[META_APPROVAL])
        const text = result.content
          .map((part) => (part.type === 'text' ? part.text : `[${part.type}]`))
          .join('\n')
        if (approval.success && approval.data.status !== 'settled' && approval.data.status !== 'denied') {
          // The time to hold is over: the same call again waits on, as the answer says.
          onWaiting('not decided yet; the agent repeats the same call and waits on')
          continue
        }
        const outcome = approval.success ? (approval.data.outcome ?? approval.data.status) : null
        return { isError: result.isError === true, text, outcome }
      }
    },
    close: () => client.close(),
  }
}
