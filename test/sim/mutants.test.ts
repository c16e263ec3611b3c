/** Every broken design is caught, and by the promise that it breaks. */
import { expect, test } from 'vitest'
import { mutants } from './mutants.ts'
import { simulate } from './simulate.ts'

const SEEDS_MAX = 300

test.each(mutants.map((mutant) => [mutant.name, mutant] as const))(
  '%s',
  { timeout: 600_000 },
  async (_name, mutant) => {
    // Every third world begins with several people.
    const step = mutant.isAboutGrants === true ? 5 : mutant.isAboutSeveral === true ? 3 : 1
    const first = mutant.isAboutGrants === true ? 1 : step
    for (let seed = first; seed <= SEEDS_MAX * step; seed += step) {
      const { broken } = await simulate(seed, mutant)
      if (broken.length > 0) {
        console.log(`caught at seed ${seed}: ${broken[0]}`)
        return
      }
    }
    expect.fail(`nothing was noticed in ${SEEDS_MAX} seeds`)
  },
)
