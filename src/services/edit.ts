/**
 * A person changes the arguments of a call that nobody has decided about yet. Held to what is asked of a call at the door,
 * and judged by the policy as the call it has become; everybody then decides about the new one.
 */
import type { Approval, Door } from '../domain/approval.ts'
import type { ApprovalId } from '../domain/approval-id.ts'
import { authoriseEdit, type Unauthorised } from '../domain/authority.ts'
import type { JsonObject, JsonValue } from '../domain/canonical.ts'
import { DECIDABLE_BYTES_MAX } from '../domain/limits.ts'
import { effectiveRuleDigest } from '../domain/policy.ts'
import type { Person } from '../domain/principal.ts'
import { err, ok, type Result } from '../domain/result.ts'
import { parseStrictJson } from '../domain/strict-json.ts'
import { canonicalParams } from '../domain/tool-call.ts'
import type { Ledger } from '../ports/ledger.ts'
import type { Random } from '../ports/random.ts'
import type { Change, ChangeRefusal } from './change.ts'
import type { Judge } from './judge.ts'

export interface EditRequest {
  readonly id: ApprovalId
  readonly person: Person
  /** JSON text of the new `arguments`. */
  readonly argumentsText: string
  /** The digest that was on the screen when the person began. */
  readonly digest: string
  readonly reason: string | null
  readonly via: Door
}

export interface NotEditable {
  readonly reason: 'not_editable'
  readonly because: 'invalid_arguments' | 'other_rule'
  /** For the person who typed them: what is wrong, and what to do instead. */
  readonly text: string
  readonly remedy: string
}

export type EditRefusal =
  | ChangeRefusal
  | NotEditable
  | { readonly reason: 'unauthorised'; readonly because: Unauthorised }

export type Edit = (request: EditRequest) => Promise<Result<Approval, EditRefusal>>

export function createEdit(deps: {
  ledger: Pick<Ledger, 'get'>
  change: Change
  judge: Judge
  random: Pick<Random, 'nonce'>
}): Edit {
  const { ledger, change, judge, random } = deps
  return async function edit({ id, person, argumentsText, digest, reason, via }) {
    const reading = await ledger.get(id)
    if (reading === null) return err({ reason: 'not_found' })
    const { approval, nowMs } = reading
    const { asked, asking, proposed } = approval
    const authority = authoriseEdit(person, approval, nowMs)
    if (!authority.ok) return err({ reason: 'unauthorised', because: authority.error })
    const { meta, answers } = besides(proposed.canonicalParams)
    const args = readArguments(argumentsText, meta)
    if (!args.ok) return args

    const { server, tool, requester: principal } = asked
    const call = { server, tool, principal, arguments: args.value, session: asked.session ?? null }
    const judged = await judge({ ...call, nowMs })
    const isSameRule =
      judged?.verdict.kind === 'require_approval' &&
      effectiveRuleDigest(judged.verdict, judged.approvers) === asking.ruleDigest
    // People who were asked under one rule must not be made to decide about what another rule is for.
    if (!isSameRule) return err(otherRule)
    return change(id, {
      kind: 'edit',
      canonicalParams: canonicalParams(tool, args.value, meta, answers),
      digest,
      nonce: random.nonce(),
      by: person.id,
      via,
      reason,
    })
  }
}

const otherRule: NotEditable = {
  reason: 'not_editable',
  because: 'other_rule',
  text: 'With these arguments it would be another case to the policy: it forbids them, or asks other people or for another reason.',
  remedy: 'Deny it, and say in the reason what the agent should ask for.',
}

function readArguments(text: string, meta: JsonObject): Result<JsonObject, NotEditable> {
  const invalid = (message: string, remedy: string) =>
    err({ reason: 'not_editable', because: 'invalid_arguments', text: message, remedy } as const)
  const parsed = parseStrictJson(text, 'whole')
  if (!parsed.ok)
    return invalid(`The arguments cannot be taken: ${parsed.error.message}.`, 'Mend them and try again.')
  if (!isObject(parsed.value)) {
    return invalid('The arguments must be a JSON object.', 'Write members between { and }.')
  }
  if (Buffer.byteLength(JSON.stringify([parsed.value, meta])) > DECIDABLE_BYTES_MAX) {
    return invalid(
      `The arguments are larger than ${DECIDABLE_BYTES_MAX} bytes.`,
      'Nobody could read that; write less.',
    )
  }
  return ok(parsed.value)
}

/** What goes along with the arguments stays as it is: it is not for people to change. */
function besides(canonicalParamsText: string): { readonly meta: JsonObject; readonly answers: JsonObject } {
  const params: { name?: JsonValue; arguments?: JsonValue; _meta?: JsonObject } & JsonObject =
    JSON.parse(canonicalParamsText)
  const { name: _name, arguments: _args, _meta: meta = {}, ...answers } = params
  return { meta, answers }
}

const isObject = (value: JsonValue): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
