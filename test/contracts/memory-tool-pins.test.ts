import { createMemoryToolPins } from '../support/memory-tool-pins.ts'
import { toolPinsContract } from './tool-pins.ts'

toolPinsContract('memory', async () => createMemoryToolPins())
