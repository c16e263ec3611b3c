/** What a tool's name says it does. */

import { buriedVerb, type Sense, thingOf, verbOf, wordsOf } from './english.ts'
import { type Evidence, quoted } from './evidence.ts'

/** An order is money when it is placed; afterwards it is a thing to look after. */
const placing = new Set(['create', 'place', 'submit', 'make', 'confirm', 'new'])
/** Verbs that are harmless elsewhere act on a page here: what a page does when an option is selected, only the page knows. */
const browsers = new Set(['browser', 'puppeteer', 'playwright', 'chrome', 'page'])
const acting = new Set([
  'select',
  'choose',
  'close',
  'upload',
  'move',
  'handle',
  'tabs',
  'tab',
  'submit',
  'check',
  'uncheck',
])
/** Letting go of something over a page is no deletion. */
const lettingGo = new Set(['drop', 'drops', 'dropping'])
/** What is made about money and moves none: `send_invoice_reminder`, `invoice_qr_code`. */
const aboutMoney = new Set(['code', 'reminder'])
/** Rented by the hour or the year: whoever makes or enlarges one begins to owe. */
const rented = new Set(['cluster', 'instance', 'instances', 'droplet', 'vm', 'vms', 'domain'])
const renting = new Set(['create', 'upgrade', 'provision', 'buy', 'purchase', 'renew', 'register', 'scale'])
/** What is closed without being changed. */
const windows = new Set(['page', 'tab', 'window', 'session', 'connection', 'browser', 'tunnel'])
/** Things as often as acts: in a name that begins with a look, they are what is looked at, wherever they stand. */
const thingsLookedAt = new Set(['trigger', 'leave', 'build', 'commit', 'release', 'launch', 'deploy'])
/** What runs code elsewhere is here the name of the server, where another verb follows: `bash_read_file`. */
const shells = new Set(['bash', 'shell', 'powershell', 'terminal', 'repl'])
/** Whoever brings one to its end changes what a database holds, by statements that somebody wrote. */
const migrations = new Set(['migration', 'migrations'])
const migrating = new Set(['run', 'apply', 'complete', 'execute', 'perform', 'start', 'rollback'])
/** Logs of this kind, and no debugging. */
const afterDebug = new Set(['log', 'logs', 'level', 'info'])
const conjunctions = new Set(['and', 'or', 'then', 'n', '&', 'plus'])
/** Names are at most 128 characters (MCP 2025-11-25, Tools); hostile lists may hold longer ones. */
const NAME_LENGTH_MAX = 256

interface Found {
  readonly at: number
  readonly word: string
  readonly sense: Sense
}

/** @param field where the name stands: of the tool, or of one of the operations that its schema offers */
export function evidenceOfName(name: string, field: string): Evidence[] {
  const words = wordsOf(name.slice(0, NAME_LENGTH_MAX))
  const found: Found[] = words.flatMap((word, at) => {
    const sense = verbOf(word) ?? buriedVerb(word)
    return sense === undefined ? [] : [{ at, word, sense }]
  })
  const verbs = found.filter((one) => isVerbHere(one, found, words))
  const evidence = verbs.map(({ word, sense: { meaning } }): Evidence => {
    const { category, risk, reason, isVague = false } = meaning
    return { field, quote: quoted(word), rule: 'verb-in-name', reason, category, risk, isVague }
  })
  const isInBrowser = browsers.has(words[0] ?? '')
  const dialog =
    words[0] === 'handle' || words[0] === 'answer' ? words.find((word) => word === 'dialog') : undefined
  const acts = isInBrowser ? words.find((word) => acting.has(word)) : dialog
  if (acts !== undefined) {
    const reason = 'acts in a browser, with whatever that sets off'
    const of = { field, quote: quoted(acts), rule: 'browser-in-name', reason, isVague: false }
    evidence.push({ ...of, category: 'execute', risk: 'high' })
  }
  const closes = words.includes('close') ? words.find((word) => windows.has(word)) : undefined
  if (closes !== undefined) {
    const reason = 'changes the state of a connection or a window'
    const of = { field, quote: quoted(`close ${closes}`), rule: 'window-in-name', reason, isVague: false }
    evidence.push({ ...of, category: 'execute', risk: 'medium' })
  }
  const migration = words.find((word) => migrations.has(word))
  if (migration !== undefined && words.some((word) => migrating.has(word))) {
    const reason = 'runs statements that change a database'
    const of = { field, quote: quoted(migration), rule: 'migration-in-name', reason, isVague: false }
    evidence.push({ ...of, category: 'execute', risk: 'high' })
  }
  const isAboutMoney = aboutMoney.has(words.at(-1) ?? '')
  const beginsToOwe = words.some((word) => renting.has(word)) && !words.includes('free')
  const worst = verbs.some(({ sense }) => sense.meaning.category !== 'read')
  for (const word of words) {
    const thing = thingOf(word)
    if (thing === undefined) continue
    const of = { field, quote: quoted(word), reason: thing.reason, isVague: false }
    if (thing.kind === 'order' && words.some((one) => placing.has(one))) {
      evidence.push({ ...of, rule: 'money-in-name', category: 'financial', risk: 'critical' })
    } else if (worst && thing.kind === 'money' && isAboutMoney) {
      evidence.push({ ...of, rule: 'about-money-in-name', category: null, risk: 'high' })
    } else if (worst && thing.kind === 'money') {
      evidence.push({ ...of, rule: 'money-in-name', category: 'financial', risk: 'critical' })
    } else if (worst && thing.kind === 'price') {
      evidence.push({ ...of, rule: 'money-in-name', category: 'financial', risk: 'high' })
    } else if (thing.kind === 'secret') {
      evidence.push({ ...of, rule: 'secret-in-name', category: null, risk: 'high' })
    } else if (worst && beginsToOwe && rented.has(word)) {
      evidence.push({ ...of, rule: 'paid-in-name', category: 'financial', risk: 'high' })
    } else if (worst && thing.kind === 'paid') {
      evidence.push({ ...of, rule: 'paid-in-name', category: null, risk: 'high' })
    } else if (worst && thing.kind === 'access') {
      evidence.push({ ...of, rule: 'access-in-name', category: null, risk: 'high' })
    }
  }
  return evidence
}

/** In a browser, to drop is to let go of something, with whatever that sets off; everywhere else it is to delete. */
export function asInBrowser(name: string, evidence: readonly Evidence[]): readonly Evidence[] {
  if (!browsers.has(wordsOf(name.slice(0, NAME_LENGTH_MAX))[0] ?? '')) return evidence
  return evidence.map((one) =>
    one.category === 'destructive' && lettingGo.has(one.quote.toLowerCase())
      ? {
          ...one,
          category: 'execute',
          risk: 'high',
          reason: 'acts in a browser, with whatever that sets off',
        }
      : one,
  )
}

/** Names without a verb, such as `maps_directions`: information is looked up, if nothing else speaks. */
export function informationInName(name: string): Evidence[] {
  const word = wordsOf(name.slice(0, NAME_LENGTH_MAX)).findLast((one) => thingOf(one)?.kind === 'information')
  if (word === undefined) return []
  const reason = 'names information and no action'
  return [
    {
      field: 'name',
      quote: word,
      rule: 'information-in-name',
      reason,
      category: 'read',
      risk: 'low',
      isVague: false,
    },
  ]
}

/**
 * A word that is only a verb counts wherever it stands: `get_and_delete` and `read_wipe` delete. One that may be a noun counts
 * where a verb would stand: first, last when nothing but such words is there (`issue_write`, `task_list`), and after "and".
 */
function isVerbHere({ at, word, sense }: Found, found: readonly Found[], words: readonly string[]): boolean {
  if (isSearchStarted(at, words) || (word === 'debug' && afterDebug.has(words[at + 1] ?? ''))) return false
  if (at === 0 && shells.has(word) && found.some((one) => one.at > 0 && !one.sense.maybeNoun)) return false
  if (at === 0 || conjunctions.has(words[at - 1] ?? '')) return true
  if (!sense.maybeNoun) return !isPartOfThing(at, sense, found, words)
  if (words[at - 1] === 'api') return true
  const others = found.filter((one) => one.at !== at)
  return others.every((one) => one.sense.maybeNoun && one.at !== 0) && at === words.length - 1
}

/** `start_search` and `run_search` look something up. */
const isSearchStarted = (at: number, words: readonly string[]) =>
  at === words.length - 2 && /^(?:start|run)$/.test(words[at] ?? '') && words.at(-1) === 'search'

/** `get_deploy_log` looks at a deployment. What destroys or pays counts even there: better asked once too often. */
function isPartOfThing(at: number, sense: Sense, found: readonly Found[], words: readonly string[]): boolean {
  const { category } = sense.meaning
  if (thingsLookedAt.has(words[at] ?? ''))
    return found[0]?.sense.meaning.category === 'read' && found[0].at < at
  if (category !== 'write' && category !== 'execute') return false
  const startsReading = found[0]?.at === 0 && found[0].sense.meaning.category === 'read'
  return startsReading && at < words.length - 1
}
