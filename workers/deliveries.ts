/** The deliveries role alone: `node dist/workers/deliveries.js`. */
import { runDeliveries } from '../src/launch/deliveries.ts'

await runDeliveries()
