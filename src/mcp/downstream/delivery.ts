/** How the answer to a request travels to its client. */
export interface Delivery {
  /** Whether the client can go on with a broken stream by GET (MCP 2025-11-25, Transports, Resumability). */
  readonly isResumable: boolean
  /** Of an answer that was read off its response: whether it has reached the client, as far as HTTP can tell. */
  reached(): Promise<boolean>
}

/** The response to the request is the client's own. */
export const asResponse: Delivery = { isResumable: true, reached: async () => true }
