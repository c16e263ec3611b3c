/** English words of tool names and descriptions, the worst first; one file for each category. */
import { destructiveWords } from './en/destructive.ts'
import { executeWords } from './en/execute.ts'
import { financialWords } from './en/financial.ts'
import { readWords } from './en/read.ts'
import { writeWords } from './en/write.ts'
import type { Meaning } from './meaning.ts'

export { englishThings } from './en/things.ts'

export const englishMeanings: readonly Meaning[] = [
  ...destructiveWords,
  ...financialWords,
  ...executeWords,
  ...writeWords,
  ...readWords,
]
