/** What a tool takes, from what its server has listed. */
import { z } from 'zod'
import type { JsonValue } from '../domain/canonical.ts'
import type { InputSchemaOf } from '../mcp/downstream/mirrored-params.ts'
import type { Clock } from '../ports/clock.ts'
import type { ToolCatalogue } from '../services/tool-catalogue.ts'

/** A list that a client has just read may not be read to its end here, or not be written yet. */
const LOOKS_MAX = 10
const LOOK_MS = 50

const definition = z.object({ inputSchema: z.custom<JsonValue>().optional() })

export function createInputSchemaOf(
  { known, settled }: Pick<ToolCatalogue, 'known' | 'settled'>,
  { sleep }: Pick<Clock, 'sleep'>,
): InputSchemaOf {
  return async function inputSchemaOf(server, name) {
    for (let look = 0; look < LOOKS_MAX; look++) {
      const seen = known(server).find(({ tool }) => tool === name)
      if (seen !== undefined) return definition.parse(JSON.parse(seen.text)).inputSchema
      await settled()
      await sleep(LOOK_MS)
    }
    return undefined
  }
}
