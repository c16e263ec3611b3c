/** The 26 tools as NAVER WORKS' own server lists them, and the check of a call's arguments against that list. */

import { ListToolsResultSchema } from '@modelcontextprotocol/sdk/types.js'
import { AjvJsonSchemaValidator } from '@modelcontextprotocol/sdk/validation/ajv'
import listed from './tools.json' with { type: 'json' }

/** Sent as it stands in the file. */
export const toolList = listed

/** For each tool name: `null`, or what is wrong with the arguments, naming the field. */
export const argumentChecks: ReadonlyMap<string, (args: unknown) => string | null> = new Map(
  ListToolsResultSchema.parse(listed).tools.map(({ name, inputSchema }) => {
    const { properties = {}, required = [], ...rest } = inputSchema
    const validate = new AjvJsonSchemaValidator().getValidator({ ...rest, properties, required })
    return [
      name,
      (args) => {
        const outcome = validate(args)
        return outcome.valid ? null : outcome.errorMessage
      },
    ]
  }),
)
