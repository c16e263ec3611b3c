/**
 * What a title or a description says the tool does: the verb that its first sentence starts with (English) or ends with (Korean,
 * Japanese), and the verbs beside it. The rest of a description often tells about other tools, so that only words of no return
 * are looked for there.
 */
import type { Category } from '../risk.ts'
import { actsIn, startsLogin } from './acts.ts'
import { inflectedVerb, pairOf, thingOf } from './english.ts'
import { type Evidence, quoted, RUNS_SQL, worseCategory } from './evidence.ts'
import { japaneseMeanings, japanesePredicate } from './words/ja.ts'
import { koreanMeanings, koreanPredicate } from './words/ko.ts'
import type { Meaning } from './words/meaning.ts'
import { chineseClauseStart, chineseMeanings, chineseThingAfter, chineseThingBefore } from './words/zh.ts'

/** What a description says first is what it is about; real ones have their verb within the first hundred characters. */
const SENTENCE_LENGTH_MAX = 400
/** Where words of no return are looked for. Longer descriptions exist; they are manuals or attacks, and take their time to search. */
const PROSE_LENGTH_MAX = 2_000

/** @param isTitle a title may be a mere noun ("Post search"), so that only words which are verbs anywhere count in it */
export function evidenceOfProse(text: string, field: string, isTitle = false): Evidence[] {
  const plain = text
    .slice(0, PROSE_LENGTH_MAX)
    .normalize('NFKC')
    .replace(/\p{Default_Ignorable_Code_Point}/gu, '')
  const sentence = firstSentence(plain)
  const verbs = /[\uAC00-\uD7A3]/.test(sentence)
    ? [...predicates(sentence, koreanMeanings, koreanPredicate), ...english(sentence)]
    : /[\u3041-\u30FF]/.test(sentence)
      ? predicates(sentence, japaneseMeanings, japanesePredicate)
      : /[\u4E00-\u9FFF]/.test(sentence)
        ? chinese(sentence)
        : english(sentence, isTitle)
  const evidence = verbs
    .filter(({ quote }) => !startsLogin(sentence, quote))
    .map(({ quote, meaning }): Evidence => {
      const { category, risk, reason, isVague = false } = meaning
      return { field, quote: quoted(quote), rule: 'verb-in-description', reason, category, risk, isVague }
    })
  return [...evidence, ...actsIn(sentence, field), ...noReturn(plain, field, evidence)]
}

interface Verb {
  readonly quote: string
  readonly meaning: Meaning
}

/** Without labels such as "[Feishu]" or "DEPRECATED:" before it. */
function firstSentence(text: string): string {
  const unlabelled = text
    .replace(/^(?:\s|\[[^\]]{0,80}\]|\([^)]{0,80}\)|⚠️?|[*#>•■|–—:-])+/u, '')
    .replace(/^(?:\p{L}+ \| )+/u, '')
  const end = /[.!?](?:\s|$)|[。！？]|\n\s*\n|\n\s*[-*•■#\p{Lu}\p{Lo}]/u.exec(
    unlabelled.slice(0, SENTENCE_LENGTH_MAX),
  )
  return unlabelled.slice(0, end?.index ?? SENTENCE_LENGTH_MAX)
}

/** Words that may stand before the verb: "This tool will …", "Use this to …". */
const fillers = new Set(
  `a an the this that tool tools function api endpoint method operation command action server will can could may to
   used use useful using is are for it its you your lets let allows allow enables helps help us provides ability able
   when and securely safely quickly automatically easily directly perform performs performing initiate initiates
   intelligently deprecated please simply programmatically bulk batch permanently immediately force recursively
   comprehensive multiple one or more single new`
    .split(/\s+/)
    .filter((word) => word !== ''),
)
const besides = new Set(['and', 'or', 'then', ',', '/', '&'])

function english(sentence: string, isTitle = false): Verb[] {
  const words = pairsJoined(sentence.match(/[\p{L}\p{M}]+(?:-[\p{L}\p{M}]+)*|[,/&]/gu) ?? [])
  const lower = words.map((word) => word.toLowerCase())
  const said = lower.findIndex((word) => !fillers.has(word) && !besides.has(word))
  const first = meansOf(lower, said) ?? said
  const head = first === -1 ? undefined : inflectedVerb(lower[first] ?? '')
  // "Run a search" and "Perform a query" look something up, whatever "run" means elsewhere.
  const start =
    head === undefined || isLightVerb(lower, first) ? lightVerb(lower, first) : { head, at: first }
  // Beside a verb that no list has, others say nothing: they would speak for what is not known.
  if (start === null || (isTitle && start.head.sense.maybeNoun)) return []
  const isSql = isLightVerb(lower, start.at) && lower.slice(start.at, start.at + 6).includes('sql')
  const meaning: Meaning = isSql ? runsSql : start.head.sense.meaning
  const verbs = [{ quote: words[start.at] ?? '', meaning }]
  for (let at = start.at + 1; at < lower.length; at++) {
    if (!besides.has(lower[at - 1] ?? '')) continue
    const next = inflectedVerb(lower[at] ?? '')
    if (next === undefined || next.sense.maybeNoun || next.form !== start.head.form) continue
    if (isAdvised(lower, at)) continue
    verbs.push({ quote: words[at] ?? '', meaning: next.sense.meaning })
  }
  return verbs
}

function pairsJoined(words: readonly string[]): readonly string[] {
  const joined: string[] = []
  for (let at = 0; at < words.length; at++) {
    const pair = pairOf((words[at] ?? '').toLowerCase(), (words[at + 1] ?? '').toLowerCase())
    joined.push(pair ?? words[at] ?? '')
    if (pair !== undefined) at++
  }
  return joined
}

/** "Helps debug failures by retrieving their logs": what it is for, and then what it does. */
function meansOf(words: readonly string[], purpose: number): number | null {
  if (!/^helps?$/.test(words[purpose - 1] ?? '')) return null
  const isGrave = ['destructive', 'financial'].includes(
    inflectedVerb(words[purpose] ?? '')?.sense.meaning.category ?? '',
  )
  const by = words.indexOf('by', purpose)
  return isGrave || by === -1 || inflectedVerb(words[by + 1] ?? '')?.form !== 'ing' ? null : by + 1
}

/** "Drop index suggestions" are read. */
const isAdvised = (words: readonly string[], at: number): boolean =>
  words.slice(at + 1, at + 4).some((word) => /^(?:suggestion|recommendation)s?$/.test(word))

const lightVerbs = new Set([
  ...['run', 'runs', 'running', 'execute', 'executes', 'make', 'makes', 'do', 'does'],
  ...['start', 'starts', 'starting'],
])
/** Whoever may write SQL may do anything with it that the database lets them do. */
const runsSql: Meaning = { category: 'execute', risk: 'critical', reason: RUNS_SQL, verbs: [] }
const lookUps = new Set([
  'search',
  'searches',
  'query',
  'queries',
  'aggregation',
  'find',
  'lookup',
  'analysis',
  'research',
  'report',
])

const isLightVerb = (words: readonly string[], at: number) => lightVerbs.has(words[at] ?? '')

function lightVerb(words: readonly string[], from: number) {
  for (let at = Math.max(0, from); at < Math.min(words.length, from + 6); at++) {
    const word = words[at] ?? ''
    if (word === 'sql') break
    if (!lookUps.has(word)) continue
    const head = inflectedVerb(word) ?? inflectedVerb('search')
    return head === undefined ? null : { head, at }
  }
  const head = from === -1 ? undefined : inflectedVerb(words[from] ?? '')
  return head === undefined ? null : { head, at: from }
}

/** Korean and Japanese: a stem with the ending of a predicate, or as the last word of the sentence. */
function predicates(sentence: string, meanings: readonly Meaning[], ending: RegExp): Verb[] {
  return stemsIn(sentence, meanings).filter(({ quote, at }) => {
    const after = sentence.slice(at + quote.length)
    // Irregular forms carry their ending already.
    if (/(?:니다|기|し|す|に|え|り)$/.test(quote) && !/^(?:み|れ)/.test(after)) return true
    return ending.test(after) || /^\s*(?:$|[(（、,／/|・]|기능|도구|API|機能|ツール|用)/.test(after)
  })
}

/**
 * Chinese: a verb counts unless what stands around it makes it part of a thing. Where a clause starts with a verb, that is what
 * the tool does, and of the others only those that destroy or pay still count.
 */
function chinese(sentence: string): Verb[] {
  const verbs = stemsIn(sentence, chineseMeanings).filter(({ quote, at }) => {
    return (
      !chineseThingBefore.test(sentence.slice(0, at)) &&
      !chineseThingAfter.test(sentence.slice(at + quote.length))
    )
  })
  const leading = verbs.filter(({ at }) => chineseClauseStart.test(sentence.slice(0, at)))
  if (leading.length === 0) return verbs
  const grave = ({ meaning: { category } }: Verb) => category === 'destructive' || category === 'financial'
  return verbs.filter((verb) => leading.includes(verb) || grave(verb))
}

function stemsIn(sentence: string, meanings: readonly Meaning[]): (Verb & { at: number })[] {
  return meanings.flatMap((meaning) =>
    meaning.verbs.flatMap((quote) => {
      const found: (Verb & { at: number })[] = []
      for (let at = sentence.indexOf(quote); at !== -1; at = sentence.indexOf(quote, at + quote.length)) {
        found.push({ quote, meaning, at })
      }
      return found
    }),
  )
}

const finality =
  /permanent(?:ly)? (?:delet|remov|eras|destr|los)\w*|(?:can ?not|can't|cannot) be (?:undone|reversed|recovered|restored)|irreversibl[ey]|unrecoverable|되돌릴 수 없|복구할 수 없|복원할 수 없|영구(?:적으로|히)? ?삭제|元に戻せ|取り消せま|復元できま|完全に削除|不可恢复|无法恢复|不可逆|不可撤销|永久删除|無法恢復/iu
const negation = /(?:not|never|no|isn't|doesn't|without|non|아니|않|ない|不会|不是|非)[^.。]{0,12}$/iu

/** "This cannot be undone" says it of whatever a tool changes; of one that only reads, it speaks about something else. */
function noReturn(text: string, field: string, verbs: readonly Evidence[]): Evidence[] {
  const found = finality.exec(text)
  if (found === null || negation.test(text.slice(Math.max(0, found.index - 24), found.index))) return []
  const said = verbs.reduce<Category>(
    (worst, { category }) => worseCategory(worst, category ?? 'read'),
    'read',
  )
  if (said === 'read' && verbs.length > 0) return []
  const reason = 'says itself that it cannot be undone'
  const quote = quoted(found[0])
  return [
    { field, quote, rule: 'no-return', reason, category: 'destructive', risk: 'critical', isVague: false },
  ]
}

const movesMoney =
  /^(?:(?:capture|transfer|settle|approve|record|receive|issue|make|schedule|initiate|release)s?|process(?:es)?|authorize|accept)$/
const prepositions = new Set(['of', 'for', 'about', 'from', 'with', 'on', 'to', 'in', 'by', 'against', 'and'])
const madeAboutMoney = new Set(['reminder', 'reminders', 'link', 'code', 'report', 'template', 'settings'])

/** Money as the object of the verb in a sentence, where the name does not say it: "Capture a payment". */
export function moneyInProse(text: string, field: string): Evidence[] {
  const words =
    firstSentence(text.slice(0, SENTENCE_LENGTH_MAX))
      .toLowerCase()
      .match(/\p{L}+/gu) ?? []
  const verb = words.findIndex((word) => movesMoney.test(word))
  if (verb === -1) return []
  const after = words.slice(verb + 1, verb + 5)
  const end = after.findIndex((word) => prepositions.has(word))
  const object = (end === -1 ? after : after.slice(0, end)).findLastIndex(
    (word) => thingOf(word)?.kind === 'money',
  )
  // "Send a payment reminder" moves none.
  if (object === -1 || madeAboutMoney.has(after[object + 1] ?? '')) return []
  const quote = quoted(words.slice(verb, verb + 5).join(' '))
  const reason = 'moves money, or owes it'
  return [
    {
      field,
      quote,
      rule: 'money-in-description',
      reason,
      category: 'financial',
      risk: 'critical',
      isVague: false,
    },
  ]
}
