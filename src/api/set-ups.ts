/** Servers without a policy, for people: which they are, the policy that is proposed, and accepting exactly that. */
import { createRoute, OpenAPIHono } from '@hono/zod-openapi'
import { CLI } from '../domain/command-line.ts'
import type { SetUp, SetUpRefusal, SetUps } from '../services/set-up.ts'
import { type ApiError, toBody } from './errors.ts'
import type { ApiEnv } from './guard.ts'
import { conflicts, notFound, onInvalid, refusalsOfInput } from './invalid.ts'
import { policyError } from './policies.ts'
import { policyPut } from './policy-schemas.ts'
import { type SetUpView, setUpBody, setUpList, setUpParam, setUpView } from './set-up-schemas.ts'

const security = [{ person: [] }]
const json = <Schema>(schema: Schema) => ({ 'application/json': { schema } })
const responses = { ...refusalsOfInput, ...notFound, ...conflicts }

const listRoute = createRoute({
  method: 'get',
  path: '/',
  operationId: 'listSetUps',
  summary: 'Servers without a policy: their calls are refused until a person accepts one',
  security,
  responses: { 200: { description: 'Their names', content: json(setUpList) }, ...responses },
})
const showRoute = createRoute({
  method: 'get',
  path: '/{server}',
  operationId: 'showSetUp',
  summary: 'The policy that is proposed, and what each tool would get under it',
  security,
  request: { params: setUpParam },
  responses: { 200: { description: 'The proposal', content: json(setUpView) }, ...responses },
})
const acceptRoute = createRoute({
  method: 'post',
  path: '/{server}',
  operationId: 'acceptSetUp',
  summary: 'Puts the proposed policy in force',
  security,
  request: { params: setUpParam, body: { required: true, content: json(setUpBody) } },
  responses: { 200: { description: 'In force', content: json(policyPut) }, ...responses },
})

export function setUpRoutes({ setUps }: { setUps: SetUps }) {
  const app = new OpenAPIHono<ApiEnv>({ defaultHook: onInvalid })

  app.openapi(listRoute, (c) => c.json({ servers: [...setUps.waiting()] }, 200))

  app.openapi(showRoute, (c) => {
    const found = setUps.show(c.req.valid('param').server)
    if (found !== null) return c.json(toView(found), 200)
    const error = setUpError({ reason: 'not_waiting' })
    return c.json(toBody(error), error.status)
  })

  app.openapi(acceptRoute, async (c) => {
    const { server } = c.req.valid('param')
    const put = await setUps.accept(server, c.req.valid('json').digest, c.get('person'))
    if (put.ok) return c.json(put.value, 200)
    const error = setUpError(put.error)
    return c.json(toBody(error), error.status)
  })
  return app
}

const toView = ({ server, proposal, problem }: SetUp): SetUpView => ({
  ...{ server, problem },
  proposal:
    proposal === null
      ? null
      : {
          text: proposal.text,
          digest: proposal.digest,
          tools: proposal.tools.map(({ tool, title, category, risk, gets, why }) => ({
            ...{ tool, title, category, risk, gets, why },
          })),
        },
})

function setUpError(refusal: SetUpRefusal): ApiError {
  switch (refusal.reason) {
    case 'not_waiting':
      return {
        status: 404,
        code: 'not_waiting',
        message: 'No server of this name waits for a policy: there is no such one, or it has a policy.',
        remedy: `\`${CLI} set-up\` lists those that wait.`,
      }
    case 'tools_unknown':
      return {
        status: 409,
        code: 'tools_unknown',
        message: 'Which tools this server has is not known yet, so there is nothing to accept.',
        remedy: `Write a policy and put it in force: \`${CLI} policy apply <file> --server <name>\`.`,
      }
    case 'proposal_changed':
      return {
        status: 409,
        code: 'proposal_changed',
        message: 'The server lists other tools than when you looked. Nothing was put in force.',
        remedy: 'Look at the proposal again.',
      }
    default:
      return policyError(refusal)
  }
}
