/** Every broken design is caught, and by the promise that it breaks. */
import { expect, test } from 'vitest'
import { mutants } from './mutants.ts'
import { simulate } from './simulate.ts'

const SEEDS_MAX = 300

test.each(mutants.map((mutant) => [mutant.name, mutant] as const))(
  '%s',
  { timeout: 120_000 },
  async (_name, mutant) => {
    for (let seed = 1; seed <= SEEDS_MAX; seed++) {
      const { broken } = await simulate(seed, mutant)
      if (broken.length > 0) {
        console.log(`caught at seed ${seed}: ${broken[0]}`)
        return
      }
    }
    expect.fail(`nothing was noticed in ${SEEDS_MAX} seeds`)
  },
)
