/** The shapes of the REST API about servers without a policy. */
import { z } from '@hono/zod-openapi'
import { categories, risks } from '../domain/risk.ts'

const SERVER_LENGTH_MAX = 64

export const setUpParam = z.object({ server: z.string().max(SERVER_LENGTH_MAX) })

const proposal = z.object({
  text: z.string().openapi({ description: 'the policy, in YAML' }),
  digest: z.string().openapi({ description: 'SHA-256 of the text, 64 hexadecimal digits' }),
  tools: z.array(
    z.object({
      tool: z.string(),
      title: z.string().nullable(),
      category: z.enum(categories).nullable(),
      risk: z.enum(risks),
      gets: z.enum(['allow', 'ask', 'deny', 'hide']).openapi({ description: 'what a call of it would get' }),
      why: z.string(),
    }),
  ),
})

export const setUpView = z
  .object({
    server: z.string(),
    proposal: proposal.nullable().openapi({ description: 'null: which tools it has is not known yet' }),
    problem: z.string().nullable().openapi({ description: 'why they are not known, where that was tried' }),
  })
  .openapi('SetUp')
export type SetUpView = z.infer<typeof setUpView>

export const setUpList = z
  .object({
    servers: z
      .array(z.string())
      .openapi({ description: 'their calls are refused until a policy is accepted' }),
  })
  .openapi('SetUpList')

export const setUpBody = z
  .strictObject({
    digest: z
      .string()
      .regex(/^[0-9a-f]{64}$/, 'must be the full digest that was shown: 64 lower-case hexadecimal digits'),
  })
  .openapi('SetUpRequest')
