/**
 * Why an approved call could not be sent, in words that stand in its record for people. What is said about our own limits and
 * policies is for its agent as well; what the network and the server said is not.
 */

const LIMIT = 'a limit holds it back: '
const POLICY = 'the gateways cannot read the policy in force'
const COUNTS = 'its limits could not be counted'

export const unsent = {
  unreadablePolicy: POLICY,
  uncountedLimits: COUNTS,
  limited: (because: string): string => `${LIMIT}${because}`,
}

export const unsentForAgent = (reason: string): string =>
  reason === POLICY || reason === COUNTS || reason.startsWith(LIMIT)
    ? reason.replace(/\.$/, '')
    : 'the server behind this gateway could not be reached, or did not let the call in'
