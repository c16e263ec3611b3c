/** The ledger does not answer. Nothing was asked of it, or its answer is not waited for any more; the gate stays shut. */
export class LedgerAway extends Error {
  constructor(reason: string) {
    super(`the ledger does not answer: ${reason}`)
    this.name = 'LedgerAway'
  }
}
