/** The JSON Schema of policies, for editors: made of the shapes that the reader checks. */
import { z } from 'zod'
import {
  actionShape,
  allToolsShape,
  hostedToolShape,
  interceptToolShape,
  nameShape,
  namesShape,
  rateLimitShape,
  reasonsShape,
  ruleShape,
  spendLimitShape,
  toolShape,
  topShape,
} from './shapes.ts'

const limits = {
  rate_limit: z.union([rateLimitShape, z.array(rateLimitShape)]).optional(),
  spend_limit: z.union([spendLimitShape, z.array(spendLimitShape)]).optional(),
}
const namesOrReasons = z.union([namesShape, reasonsShape]).optional()

const policyShape = topShape.extend({
  default: actionShape.optional(),
  hide: namesShape.optional(),
  all_tools: allToolsShape.optional(),
  tools: z
    .record(nameShape, z.union([toolShape.extend(limits), hostedToolShape, interceptToolShape]))
    .optional(),
  rules: z.array(ruleShape.extend(limits)).optional(),
  allow: namesShape.optional(),
  deny: namesOrReasons,
  require_approval: namesOrReasons,
})

/** Draft 7, which editors read. Conditions that no shape can say are the reader's. */
export function policyJsonSchema(): string {
  const schema = z.toJSONSchema(policyShape, { target: 'draft-7', io: 'input' })
  return `${JSON.stringify({ title: 'Holdpoint policy', ...schema }, null, 2)}\n`
}
