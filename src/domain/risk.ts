/** How bad a call can be. A tool that no rule names is critical, never low: silence is not safety. */

export const risks = ['low', 'medium', 'high', 'critical'] as const
export type Risk = (typeof risks)[number]

/** What a tool does to the world, mildest first. */
export const categories = ['read', 'write', 'execute', 'financial', 'destructive'] as const
export type Category = (typeof categories)[number]

/** What is known about a tool besides its name. */
export interface ToolFacts {
  /** `null`: nobody knows, which no rule may take for harmless. */
  readonly category: Category | null
  readonly risk: Risk
}

export const unknownTool: ToolFacts = { category: null, risk: 'critical' }
