/** Who may put policies in force, by the configuration. */
import type { Config } from '../config.ts'
import type { Person } from '../domain/principal.ts'

export const operatorsOf =
  ({ operators }: Pick<Config, 'operators'>) =>
  ({ id, groups }: Person): boolean =>
    operators.people.includes(id) || groups.some((group) => operators.groups.includes(group))
