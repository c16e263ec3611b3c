import { memoryIdentities } from '../support/memory-identities.ts'
import { identitiesContract } from './identities.ts'

identitiesContract('memory', async () => memoryIdentities())
