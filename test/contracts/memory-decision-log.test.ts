import { createMemoryDecisionLog } from '../support/memory-decision-log.ts'
import { decisionLogContract } from './decision-log.ts'

decisionLogContract('memory', async () => createMemoryDecisionLog())
