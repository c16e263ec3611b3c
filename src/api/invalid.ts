/** What happens to input that does not fit the schemas: one sentence, and the field it is about. */
import type { Hook } from '@hono/zod-openapi'
import { type ApiError, toBody } from './errors.ts'
import type { ApiEnv } from './guard.ts'
import { errorBody } from './schemas.ts'

/** The response of every refusal, for OpenAPI. */
export const refused = {
  description: 'Refused or failed: 400, 401, 403, 404, 409, 410, 413, 415 or 500',
  content: { 'application/json': { schema: errorBody } },
}

const places = {
  json: 'the body',
  query: 'the query',
  param: 'the path',
  form: 'the form',
  header: 'the headers',
  cookie: 'the cookies',
}

export const onInvalid: Hook<unknown, ApiEnv, string, Response | undefined> = (result, c) => {
  if (result.success) return undefined
  const [issue] = result.error.issues
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys : []
  const field = [...(issue?.path ?? []), ...unknown.slice(0, 1)].join('.')
  const error: ApiError = {
    status: 400,
    code: 'invalid_request',
    message: `${field === '' ? places[result.target] : `${field} in ${places[result.target]}`}: ${issue?.message ?? 'not valid'}`,
    ...(field === '' ? {} : { field }),
  }
  return c.json(toBody(error), 400)
}
