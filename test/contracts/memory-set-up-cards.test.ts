import { createMemorySetUpCards } from '../support/memory-set-up-cards.ts'
import { setUpCardsContract } from './set-up-cards.ts'

setUpCardsContract('memory', async () => createMemorySetUpCards())
