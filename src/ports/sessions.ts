/** Who is at the browser. However a person signed in, the console knows no more than this. */
import type { Person } from '../domain/principal.ts'

export interface Sessions {
  /** Uses a one-time code up. `null`: unknown, used or expired, or its person is not in the directory any more. */
  signIn(code: string): Promise<NewSession | null>
  /** `null`: unknown or expired, or the person has left the directory. */
  personOf(token: string): Promise<Person | null>
  signOut(token: string): Promise<void>
}

export interface NewSession {
  /** The secret of this session, known to this browser only. */
  readonly token: string
  readonly person: Person
  readonly validMs: number
}
