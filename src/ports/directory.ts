/** The people who can decide. */
import type { Person } from '../domain/principal.ts'

export interface Directory {
  person(id: string): Person | null
  people(): readonly Person[]
}
