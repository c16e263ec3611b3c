/** What was found out with the credentials of one principal, and says nothing about another. */
import type { Principal } from '../../domain/principal.ts'

/** One that was forgotten is found out again by one question; one for every principal that ever came would cost too much. */
const PRINCIPALS_MAX = 10_000

export interface PerPrincipal<T> {
  get(principal: Principal): T | undefined
  set(principal: Principal, value: T): void
  delete(principal: Principal): void
  clear(): void
}

export function createPerPrincipal<T>(): PerPrincipal<T> {
  const values = new Map<string, T>()
  return {
    get: (principal) => values.get(keyOf(principal)),
    set(principal, value) {
      const key = keyOf(principal)
      values.delete(key)
      values.set(key, value)
      const [oldest] = values.keys()
      if (values.size > PRINCIPALS_MAX && oldest !== undefined) values.delete(oldest)
    },
    delete: (principal) => void values.delete(keyOf(principal)),
    clear: () => values.clear(),
  }
}

/** An agent's name that moved to another owner is another agent, with another account. */
const keyOf = ({ name, owner }: Principal): string => JSON.stringify([name, owner])
