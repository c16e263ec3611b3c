/** `npm start`. */
import { runStart } from './launch/start.ts'

await runStart()
