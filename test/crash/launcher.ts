/**
 * A real process of Holdpoint whose ports are decorated: `node launcher.js <role> [mutant]`. Composed by the same code as
 * `npm start` and the workers; the harness arms it over IPC, and at the armed point it kills or stops itself.
 */

import { runApprovals } from '../../src/launch/approvals-worker.ts'
import type { Decorate } from '../../src/launch/decorate.ts'
import { runDeliveries } from '../../src/launch/deliveries.ts'
import { runStart } from '../../src/launch/start.ts'
import { mutants } from './mutants.ts'
import { passing } from './steps.ts'
import { createTrap, order } from './trap.ts'

const roles = { gateway: runStart, approvals: runApprovals, deliveries: runDeliveries }

const [role = '', mutantName] = process.argv.slice(2)
const trap = createTrap()
process.on('message', (message) => trap.arm(order.parse(message).armed))
// Whoever launched it is gone, and nobody would end it any more.
process.on('disconnect', () => process.exit(1))
process.channel?.unref()

const mutant = mutantName === undefined ? null : mutants.find(({ name }) => name === mutantName)
if (mutant === undefined) throw new Error(`there is no mutant called ${mutantName}`)
const points = passing(trap)
const decorate: Decorate = {
  ...points,
  // The broken design is outside: what it does is seen at the points.
  stores: (stores) => mutant?.stores?.(points.stores(stores)) ?? points.stores(stores),
  session(session, of) {
    const passing = points.session(session, of)
    return mutant?.session?.(passing, of) ?? passing
  },
}
if (role !== 'gateway' && role !== 'approvals' && role !== 'deliveries') throw new Error(`${role} is no role`)
await roles[role](decorate)
