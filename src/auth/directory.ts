/** The people of the configuration. */
import type { Person } from '../domain/principal.ts'
import type { Directory } from '../ports/directory.ts'

export function createDirectory(people: ReadonlyMap<string, Person>): Directory {
  return {
    person: (id) => people.get(id) ?? null,
    people: () => [...people.values()],
  }
}
