/** The approvals role alone: `node dist/workers/approvals.js`. */
import { runApprovals } from '../src/launch/approvals-worker.ts'

await runApprovals()
