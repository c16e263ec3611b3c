/** What happens to input that does not fit the schemas: one sentence, and the field it is about. */
import type { Hook } from '@hono/zod-openapi'
import { type ApiError, toBody } from './errors.ts'
import type { ApiEnv } from './guard.ts'
import { errorBody } from './schemas.ts'

const refusal = (description: string) => ({
  description,
  content: { 'application/json': { schema: errorBody } },
})

/** The refusals that every operation has, for OpenAPI. */
export const refusals = {
  401: refusal('No token, or one that is unknown or revoked'),
  403: refusal('The token of somebody who may not do this'),
  default: refusal('Refused or failed otherwise: 413, 415 or 500'),
}
export const refusalsOfInput = { ...refusals, 400: refusal('The request does not fit its schema') }
export const notFound = { 404: refusal('There is no such ticket') }
export const conflicts = { 409: refusal('Its state, or its digest, is not what the request says') }
export const unexplained = {
  422: refusal('The rule asks for a reason, and there is none, or it is too long'),
}
export const tooLate = { 410: refusal('The time for a decision is over') }

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
