/**
 * What the tools of each server were when somebody last took them as they are. A changed or new definition waits beside the
 * accepted one until a person accepts it. Each method is one guarded step; faults are thrown.
 */
import type { InstantMs } from '../domain/approval.ts'
import type { SeenTool } from '../domain/risk/drift.ts'

/** Who took a definition: a person's id in `person:<id>`, or one of these two rules. */
export const FIRST_SIGHT = 'first sight'
export const MERE_WORDS = 'only words changed, and the tool only reads'

export interface ToolPin {
  readonly server: string
  readonly tool: string
  /** `null`: the tool appeared after the others, and nobody has accepted it. */
  readonly accepted: (SeenTool & { readonly by: string; readonly atMs: InstantMs }) | null
  /** What the server says now, where that is not what was accepted. */
  readonly waiting: (SeenTool & { readonly atMs: InstantMs }) | null
}

export interface ToolPins {
  all(): Promise<readonly ToolPin[]>
  /** Changes with every change of a pin, so that it need not be read to know that it is the same. */
  mark(): Promise<string>
  /** Accepts all of them if nothing of this server was ever seen; otherwise does nothing. */
  pinFirst(server: string, tools: readonly SeenTool[]): Promise<boolean>
  /** Lets a definition wait. @param after digest of what was accepted when it was seen, `null` for a new tool; `false`: it is another by now */
  letWait(server: string, seen: SeenTool, after: string | null): Promise<boolean>
  /** Takes what is no more than other words. @param after digest of what it replaces; `false`: it is another by now */
  take(server: string, seen: SeenTool, after: string): Promise<boolean>
  /**
   * A person takes the definition that waits; or, by the digest of the accepted one, keeps that and drops the other.
   * `false`: neither has this digest any more.
   */
  accept(server: string, tool: string, digest: string, person: string): Promise<boolean>
}
