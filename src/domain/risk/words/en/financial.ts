/** English verbs that move money. Plurals are things, never verbs: `posts` are read, to `post` is to publish. */
import type { Meaning } from '../meaning.ts'

export const financialWords: readonly Meaning[] = [
  {
    category: 'financial',
    risk: 'critical',
    reason: 'moves money, or owes it',
    verbs: ['pay', 'reimburse', 'buy', 'sell', 'donate', 'remit', 'disburse'],
    verbsOrNouns: [
      'refund',
      'charge',
      'purchase',
      'checkout',
      'payout',
      'withdrawal',
      'deposit',
      'invoice',
      'bill',
      'trade',
      'swap',
      'stake',
      'mint',
    ],
  },
]
