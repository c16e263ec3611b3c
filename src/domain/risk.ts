/** How bad a call can be. A tool that no rule names is critical, never low: silence is not safety. */

export const risks = ['low', 'medium', 'high', 'critical'] as const
export type Risk = (typeof risks)[number]
