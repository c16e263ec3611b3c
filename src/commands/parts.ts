/** What the commands need from outside, so that tests can give them something else. */
import type { Config, Surroundings } from '../config.ts'
import type { AccountStore } from '../ports/accounts.ts'
import type { CredentialStore } from '../ports/credentials.ts'
import type { Identities } from '../ports/identities.ts'
import type { ExitCode, Io } from './io.ts'

export interface Parts {
  readonly io: Io
  readonly surroundings: Surroundings
  /** Opens the ledger itself, for what must not need a running gateway. */
  openCredentials(config: Config): Promise<{
    credentials: CredentialStore
    identities: Identities
    accounts: AccountStore
    close(): Promise<void>
  }>
  /** Speaks MCP on the standard streams until the client closes them. */
  bridge(to: { readonly url: string; readonly token: string | null }): Promise<void>
  /** Stays until a signal and sets the exit code of the process itself. */
  start(): Promise<void>
  demo(options: DemoOptions): Promise<ExitCode>
}

export interface DemoOptions {
  /** `null`: the person at the terminal decides. */
  readonly decide: 'approve' | 'deny' | 'timeout' | null
}
