/**
 * What a sentence says is done, where the verb alone says less: text that goes to a terminal, something that happens on the page of
 * a browser, a login that is started, a connection that is closed. English, and logins in Korean and Japanese.
 */
import { type Evidence, quoted } from './evidence.ts'

interface Act {
  readonly pattern: RegExp
  readonly says: Pick<Evidence, 'rule' | 'reason' | 'category' | 'risk'>
}

const screen = {
  rule: 'act-in-description',
  reason: 'acts in a browser or on a screen, with whatever that sets off',
  category: 'execute',
  risk: 'high',
} as const

const acts: readonly Act[] = [
  {
    pattern:
      /\b(?:send|type|write|enter)s?\b.{0,40}?\b(?:input|keys|keystrokes?|text|commands?)\b.{0,40}?\b(?:terminal|shell|repl|console)\b/iu,
    says: {
      ...screen,
      reason: 'whatever is written to a terminal or a shell is run there',
      risk: 'critical',
    },
  },
  {
    pattern:
      /\b(?:add|clear|put|set|attach|upload|write)s?\b.{0,60}?\b(?:through|on|in|into|of|for|to) (?:an?|the|this|that) (?:\w+ )?(?:element|browser|viewport|web ?page)\b/iu,
    says: screen,
  },
  {
    pattern:
      /\bopens?\b.{0,40}?\b(?:in (?:(?:an?|the|your|their) )?(?:default |new |web )?browser|new (?:browser )?(?:tab|window))\b/iu,
    says: screen,
  },
  {
    pattern: /\bcloses?\b(?: [\w'"]+){0,3} (?:connection|session|browser|tab|window)\b/iu,
    says: { ...screen, reason: 'changes the state of a connection or a window', risk: 'medium' },
  },
]

/** Who logs in acts in somebody's name from then on: that is what matters, not that something starts. */
const login: Act = {
  pattern:
    /\b(?:start|begin|initiate)(?:s|ning|ing)?\b(?: [\w'"-]+){0,3}? (?:log-?in|sign-?in|authentication|authorization|oauth)\b|(?:로그인|인증)[을를]? ?시작|(?:ログイン|認証)(?:を|の)?開始/iu,
  says: {
    rule: 'act-in-description',
    reason: 'decides who may do what, or in whose name',
    category: 'write',
    risk: 'high',
  },
}

/** What a sentence begins with is done: "Get a list of pages open in the browser" opens none. */
const beginning =
  /^(?:[\W_]*\b(?:this|the|a|an|tool|function|will|can|allows?|lets|you|to|use|it|simply|just)\b)*[\W_]*/iu

export function actsIn(sentence: string, field: string): Evidence[] {
  const begun = beginning.exec(sentence)?.[0].length ?? 0
  return [...acts, login].flatMap((act) => {
    const { pattern, says } = act
    const found = pattern.exec(sentence)
    return found === null || (act !== login && found.index > begun)
      ? []
      : [{ ...says, field, quote: quoted(found[0]), isVague: false }]
  })
}

/** Whether this verb is the start of a login, and of nothing else. */
export const startsLogin = (sentence: string, verb: string): boolean =>
  /^(?:start|begin|시작|開始)/iu.test(verb) && login.pattern.test(sentence)
