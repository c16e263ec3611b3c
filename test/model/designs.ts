/**
 * Designs that look right and are not, each a small change to how the model is built, and the promise that the check has to find
 * broken in it. A checker that cannot fail proves nothing.
 */

export const designs = {
  'a write is not guarded by the version': /^I/,
  'the standby follows late': /^I/,
  'what a gateway leaves is given to another': /^I[12]: sent/,
  'a repeat makes a record of its own': /^I1: the same call/,
  'a record is made after an old look': /^I1: the same call/,
  'the claim needs no yes': /^I[26]/,
  'the claim is not guarded by the policy': /^I2: claimed under a rule of before/,
  'the deadline is not in the statement': /^I[26]: .*(after|in which)/,
  'what is being sent can be withdrawn': /^I[35]/,
  'a late reply starts it again': /^I3/,
  'a late reply becomes the outcome': /^I4: it ended twice/,
  'nobody looks after deadlines': /^I4: .*cannot end/,
  'nobody looks after gateways that are gone': /^I4: .*cannot end/,
  'nobody looks after claims that nobody heard of': /^I4: .*cannot end/,
  'a successor loses its waiters': /^I4: told that it ended/,
  'a successor is made in a transaction of its own': /^I4: .*successor/,
  'a gateway runs what nobody waits for': /^I4: begun/,
  'a gateway that is gone has not sent it': /^I[35]/,
  'a broken connection counts as not sent': /^I5: /,
  'answers are matched by their order': /^I5: the answer/,
  'nobody asks who says yes': /^I6: decided by whose call/,
  'a deadline that passes is a yes': /^I6/,
  'nobody looks who has left the group': /^I6: approved by 1 of 2/,
  'who waits at a gateway is told what ended there': /^I8: /,
  'a claim leaves nothing in the audit': /^I10: /,
  'a yes counts for what stands there now': /^I11: /,
} as const satisfies Record<string, RegExp>

export type Design = keyof typeof designs
