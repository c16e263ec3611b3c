/**
 * What Slack refuses to show: the size and the form of messages, views, blocks and their elements. One character too
 * many and the whole message is refused, as Slack does, so that a card that would be lost there is lost here.
 * Where Slack's way of counting is not documented the stricter of the known readings holds.
 */
import { type Fields, fieldsOf, isFields, listOf, stringOf } from './json.ts'

export interface Refusal {
  readonly error: string
  /** In Slack's words, with a JSON pointer to the place. */
  readonly messages: readonly string[]
}

/** `blocks` is what was sent, `undefined` when nothing was. */
export function refuseMessage(content: {
  readonly text: string
  readonly blocks: unknown
  readonly textMax: number
}): Refusal | null {
  if (slackLength(content.text, 'mrkdwn') > content.textMax) return { error: 'msg_too_long', messages: [] }
  if (content.blocks === undefined) return null
  if (!Array.isArray(content.blocks)) return { error: 'invalid_blocks_format', messages: [] }
  const problems: Problems = []
  checkBlocks(content.blocks, '/blocks', { max: BLOCKS_PER_MESSAGE, surface: 'message' }, problems)
  if (problems.length > 0) return { error: 'invalid_blocks', messages: problems }
  const tables = content.blocks.filter((block) => fieldsOf(block).type === 'table')
  if (tables.length > 1) return { error: 'only_one_table_allowed', messages: [] }
  const isRich = content.blocks.some((block) => fieldsOf(block).type === 'rich_text')
  const max = isRich ? RICH_MESSAGE_TEXT_MAX : MESSAGE_TEXT_MAX
  return textSum(content.blocks) > max ? { error: 'msg_blocks_too_long', messages: [] } : null
}

export function refuseView(view: unknown): Refusal | null {
  const problems: Problems = []
  if (!isFields(view)) return invalidArguments(['[ERROR] must provide an object [json-pointer:/view]'])
  if (Buffer.byteLength(JSON.stringify(view)) > VIEW_BYTES_MAX)
    return { error: 'view_too_large', messages: [] }
  if (view.type !== 'modal' && view.type !== 'home')
    problem(problems, '/view/type', `unsupported type: ${String(view.type)}`)
  const isModal = view.type === 'modal'
  if (isModal) checkText(view.title, '/view/title', { max: 24, kind: 'plain_text' }, problems)
  if (isModal && view.submit !== undefined)
    checkText(view.submit, '/view/submit', { max: 24, kind: 'plain_text' }, problems)
  if (isModal && view.close !== undefined)
    checkText(view.close, '/view/close', { max: 24, kind: 'plain_text' }, problems)
  checkString(view.private_metadata, '/view/private_metadata', 3000, problems)
  checkString(view.callback_id, '/view/callback_id', 255, problems)
  checkString(view.external_id, '/view/external_id', 255, problems)
  if (!Array.isArray(view.blocks)) problem(problems, '/view/blocks', 'missing required field: blocks')
  checkBlocks(listOf(view.blocks), '/view/blocks', { max: BLOCKS_PER_VIEW, surface: 'view' }, problems)
  const hasInput = listOf(view.blocks).some((block) => fieldsOf(block).type === 'input')
  if (isModal && hasInput && view.submit === undefined)
    problem(problems, '/view', 'missing required field: submit')
  return problems.length > 0 ? invalidArguments(problems) : null
}

const BLOCKS_PER_MESSAGE = 50
const BLOCKS_PER_VIEW = 100
/** Not documented. bolt-js issue 2509 measured refusals from about here. */
export const MESSAGE_TEXT_MAX = 13_200
/** With `rich_text` Slack refuses earlier: bolt-js issue 2867 reports a refusal at 11,341 characters of text. */
export const RICH_MESSAGE_TEXT_MAX = 11_340
const MARKDOWN_MAX = 12_000
const VIEW_BYTES_MAX = 250_000

type Problems = string[]
type TextKind = 'plain_text' | 'mrkdwn'
type Surface = 'message' | 'view'

const invalidArguments = (messages: readonly string[]): Refusal => ({ error: 'invalid_arguments', messages })

/**
 * The length as Slack stores a text: what it escapes counts escaped. UTF-16 units are never fewer than characters, so
 * whoever fits here fits by either way of counting.
 */
export function slackLength(text: string, kind: TextKind): number {
  const ampersands = text.match(/&(?!(?:amp|lt|gt);)/g)?.length ?? 0
  const angles = kind === 'plain_text' ? (text.match(/[<>]/g)?.length ?? 0) : 0
  return text.length + ampersands * '&amp;'.slice(1).length + angles * '&lt;'.slice(1).length
}

function textSum(value: unknown): number {
  if (Array.isArray(value)) return value.reduce((sum: number, item) => sum + textSum(item), 0)
  if (!isFields(value)) return 0
  const kind = value.type === 'mrkdwn' || value.type === 'markdown' ? 'mrkdwn' : 'plain_text'
  const own = typeof value.text === 'string' ? slackLength(value.text, kind) : 0
  return Object.values(value).reduce((sum: number, item) => sum + textSum(item), own)
}

function checkBlocks(
  blocks: readonly unknown[],
  at: string,
  { max, surface }: { readonly max: number; readonly surface: Surface },
  problems: Problems,
): void {
  if (blocks.length > max) problem(problems, at, `no more than ${max} items allowed`)
  const seen = new Set<string>()
  for (const [index, block] of blocks.entries()) {
    const place = `${at}/${index}`
    if (!isFields(block)) {
      problem(problems, place, 'must provide an object')
      continue
    }
    checkUnique(block.block_id, 'block_id', `${place}/block_id`, seen, problems)
    checkBlock(block, place, surface, problems)
  }
  const markdown = blocks.map(fieldsOf).filter(({ type }) => type === 'markdown')
  if (markdown.reduce((sum, { text }) => sum + stringOf(text).length, 0) > MARKDOWN_MAX)
    problem(problems, at, `markdown text must be less than ${MARKDOWN_MAX + 1} characters`)
}

function checkBlock(block: Fields, at: string, surface: Surface, problems: Problems): void {
  const actionIds = new Set<string>()
  switch (block.type) {
    case 'header':
      checkText(block.text, `${at}/text`, { max: 150, kind: 'plain_text' }, problems)
      return
    case 'section':
      if (block.text === undefined && block.fields === undefined)
        problem(problems, at, 'missing required field: text or fields')
      if (block.text !== undefined) checkText(block.text, `${at}/text`, { max: 3000 }, problems)
      if (block.fields !== undefined)
        for (const [index, field] of checkItems(block.fields, `${at}/fields`, 1, 10, problems))
          checkText(field, `${at}/fields/${index}`, { max: 2000 }, problems)
      if (block.accessory !== undefined)
        checkElement(block.accessory, `${at}/accessory`, ACCESSORIES, actionIds, problems)
      return
    case 'actions':
      for (const [index, element] of checkItems(block.elements, `${at}/elements`, 1, 25, problems))
        checkElement(element, `${at}/elements/${index}`, ACTIONS, actionIds, problems)
      return
    case 'context':
      for (const [index, element] of checkItems(block.elements, `${at}/elements`, 1, 10, problems)) {
        if (fieldsOf(element).type === 'image')
          checkImage(fieldsOf(element), `${at}/elements/${index}`, problems)
        else checkText(element, `${at}/elements/${index}`, { max: 3000 }, problems)
      }
      return
    case 'input':
      checkText(block.label, `${at}/label`, { max: 2000, kind: 'plain_text' }, problems)
      if (block.hint !== undefined)
        checkText(block.hint, `${at}/hint`, { max: 2000, kind: 'plain_text' }, problems)
      checkElement(block.element, `${at}/element`, INPUTS, actionIds, problems)
      return
    case 'image':
      checkImage(block, at, problems)
      if (block.title !== undefined)
        checkText(block.title, `${at}/title`, { max: 2000, kind: 'plain_text' }, problems)
      return
    case 'rich_text':
      for (const [index, element] of checkItems(block.elements, `${at}/elements`, 1, Infinity, problems))
        checkRichText(fieldsOf(element), `${at}/elements/${index}`, problems)
      return
    case 'markdown':
      if (surface === 'view') return void problem(problems, `${at}/type`, 'unsupported type: markdown')
      if (typeof block.text !== 'string' || block.text === '')
        problem(problems, `${at}/text`, 'missing required field: text')
      return
    case 'table':
      if (surface === 'view') return void problem(problems, `${at}/type`, 'unsupported type: table')
      for (const [index, row] of checkItems(block.rows, `${at}/rows`, 1, 100, problems))
        checkItems(row, `${at}/rows/${index}`, 1, 20, problems)
      return
    case 'alert':
      checkText(block.text, `${at}/text`, { max: 200 }, problems)
      return
    case 'card':
      checkCard(block, at, problems)
      return
    case 'carousel':
      for (const [index, card] of checkItems(block.elements, `${at}/elements`, 1, 10, problems))
        checkCard(fieldsOf(card), `${at}/elements/${index}`, problems)
      return
    case 'container':
      if (block.title === undefined && block.rich_text_title === undefined)
        problem(problems, at, 'missing required field: title')
      if (block.title !== undefined)
        checkText(block.title, `${at}/title`, { max: 150, kind: 'plain_text' }, problems)
      if (block.subtitle !== undefined) checkText(block.subtitle, `${at}/subtitle`, { max: 150 }, problems)
      checkItems(block.child_blocks, `${at}/child_blocks`, 1, 10, problems)
      checkBlocks(
        listOf(block.child_blocks),
        `${at}/child_blocks`,
        { max: Infinity, surface: 'view' },
        problems,
      )
      return
    case 'divider':
    case 'context_actions':
    case 'data_table':
    case 'file':
    case 'plan':
    case 'task_card':
    case 'video':
      return
    default:
      problem(problems, `${at}/type`, `unsupported type: ${String(block.type)}`)
  }
}

function checkCard(card: Fields, at: string, problems: Problems): void {
  const isEmpty = ['hero_image', 'title', 'actions', 'body'].every((field) => card[field] === undefined)
  if (isEmpty) problem(problems, at, 'missing required field: title, body, actions or hero_image')
  if (card.title !== undefined) checkText(card.title, `${at}/title`, { max: 150 }, problems)
  if (card.subtitle !== undefined) checkText(card.subtitle, `${at}/subtitle`, { max: 150 }, problems)
  if (card.body !== undefined) checkText(card.body, `${at}/body`, { max: 200 }, problems)
  const actionIds = new Set<string>()
  for (const [index, action] of listOf(card.actions).entries())
    checkElement(action, `${at}/actions/${index}`, BUTTONS, actionIds, problems)
}

const BUTTONS: readonly string[] = ['button']
const SELECTS = ['static', 'external', 'users', 'conversations', 'channels'].flatMap((source) => [
  `${source}_select`,
  `multi_${source}_select`,
])
const CHOICES = ['checkboxes', 'radio_buttons', 'datepicker', 'timepicker', ...SELECTS]
const ACTIONS: readonly string[] = [
  'button',
  'overflow',
  'datetimepicker',
  'workflow_button',
  'rich_text_input',
  ...CHOICES,
]
const ACCESSORIES: readonly string[] = ['button', 'overflow', 'image', 'workflow_button', ...CHOICES]
const INPUTS: readonly string[] = [
  'plain_text_input',
  'email_text_input',
  'url_text_input',
  'number_input',
  'rich_text_input',
  'datetimepicker',
  'file_input',
  ...CHOICES,
]

function checkElement(
  element: unknown,
  at: string,
  allowed: readonly string[],
  actionIds: Set<string>,
  problems: Problems,
): void {
  if (!isFields(element)) return void problem(problems, at, 'must provide an object')
  const type = stringOf(element.type)
  if (!allowed.includes(type)) return void problem(problems, `${at}/type`, `unsupported type: ${type}`)
  if (type === 'image') return void checkImage(element, at, problems)
  // Slack asks only for uniqueness within one block; the same id in two blocks is accepted.
  checkUnique(element.action_id, 'action_id', `${at}/action_id`, actionIds, problems)
  if (element.confirm !== undefined) checkConfirm(element.confirm, `${at}/confirm`, problems)
  if (element.placeholder !== undefined)
    checkText(element.placeholder, `${at}/placeholder`, { max: 150, kind: 'plain_text' }, problems)
  if (type === 'button' || type === 'workflow_button') {
    checkText(element.text, `${at}/text`, { max: 75, kind: 'plain_text' }, problems)
    checkString(element.value, `${at}/value`, 2000, problems)
    checkString(element.url, `${at}/url`, 3000, problems)
    checkString(element.accessibility_label, `${at}/accessibility_label`, 75, problems)
    checkStyle(element.style, `${at}/style`, problems)
  }
  if (type === 'plain_text_input') {
    checkString(element.initial_value, `${at}/initial_value`, 3000, problems)
    for (const field of ['min_length', 'max_length'])
      if (Number(element[field] ?? 1) > 3000)
        problem(problems, `${at}/${field}`, 'must be less than or equal to 3000')
  }
  const optionsMax = OPTIONS_MAX[type]
  if (optionsMax !== undefined && element.option_groups === undefined)
    for (const [index, option] of checkItems(element.options, `${at}/options`, 1, optionsMax, problems))
      checkOption(fieldsOf(option), `${at}/options/${index}`, problems)
  for (const [group, { label, options }] of listOf(element.option_groups).map(fieldsOf).entries()) {
    const place = `${at}/option_groups/${group}`
    checkText(label, `${place}/label`, { max: 75, kind: 'plain_text' }, problems)
    for (const [index, option] of checkItems(options, `${place}/options`, 1, 100, problems))
      checkOption(fieldsOf(option), `${place}/options/${index}`, problems)
  }
}

const OPTIONS_MAX: Readonly<Record<string, number>> = {
  overflow: 5,
  checkboxes: 10,
  radio_buttons: 10,
  static_select: 100,
  multi_static_select: 100,
}

function checkOption(option: Fields, at: string, problems: Problems): void {
  checkText(option.text, `${at}/text`, { max: 75 }, problems)
  if (option.value === undefined) problem(problems, at, 'missing required field: value')
  checkString(option.value, `${at}/value`, 75, problems)
  checkString(option.url, `${at}/url`, 3000, problems)
  if (option.description !== undefined)
    checkText(option.description, `${at}/description`, { max: 75 }, problems)
}

function checkConfirm(confirm: unknown, at: string, problems: Problems): void {
  if (!isFields(confirm)) return void problem(problems, at, 'must provide an object')
  if (confirm.title !== undefined)
    checkText(confirm.title, `${at}/title`, { max: 100, kind: 'plain_text' }, problems)
  checkText(confirm.text, `${at}/text`, { max: 300 }, problems)
  for (const label of ['confirm', 'deny'])
    if (confirm[label] !== undefined)
      checkText(confirm[label], `${at}/${label}`, { max: 30, kind: 'plain_text' }, problems)
  checkStyle(confirm.style, `${at}/style`, problems)
}

function checkImage(image: Fields, at: string, problems: Problems): void {
  if (stringOf(image.alt_text) === '') problem(problems, at, 'missing required field: alt_text')
  checkString(image.alt_text, `${at}/alt_text`, 2000, problems)
  if (image.image_url === undefined && image.slack_file === undefined)
    problem(problems, at, 'missing required field: image_url')
  checkString(image.image_url, `${at}/image_url`, 3000, problems)
}

const RICH_CONTAINERS = ['rich_text_section', 'rich_text_preformatted', 'rich_text_quote']
const RICH_LEAVES = ['text', 'link', 'emoji', 'user', 'usergroup', 'channel', 'team', 'broadcast']
const RICH_LEAVES_RARE = ['date', 'color']

function checkRichText(element: Fields, at: string, problems: Problems): void {
  const type = stringOf(element.type)
  if (type === 'rich_text_list') {
    if (element.style !== 'bullet' && element.style !== 'ordered')
      problem(problems, `${at}/style`, 'must be a valid enum value')
    for (const [index, item] of checkItems(element.elements, `${at}/elements`, 1, Infinity, problems))
      checkRichText(fieldsOf(item), `${at}/elements/${index}`, problems)
    return
  }
  if (!RICH_CONTAINERS.includes(type))
    return void problem(problems, `${at}/type`, `unsupported type: ${type}`)
  // Preformatted text takes only what cannot notify anybody.
  const allowed = type === 'rich_text_preformatted' ? ['text', 'link'] : [...RICH_LEAVES, ...RICH_LEAVES_RARE]
  for (const [index, leaf] of checkItems(element.elements, `${at}/elements`, 0, Infinity, problems)) {
    const { type: leafType, text } = fieldsOf(leaf)
    const place = `${at}/elements/${index}`
    if (!allowed.includes(stringOf(leafType)))
      problem(problems, `${place}/type`, `unsupported type: ${String(leafType)}`)
    if (leafType === 'text' && (typeof text !== 'string' || text === ''))
      problem(problems, `${place}/text`, 'must be more than 0 characters')
  }
}

function checkText(
  value: unknown,
  at: string,
  { max, kind }: { readonly max: number; readonly kind?: TextKind },
  problems: Problems,
): void {
  if (value === undefined)
    return void problem(problems, at, `missing required field: ${at.split('/').at(-1)}`)
  if (!isFields(value)) return void problem(problems, at, 'must provide an object')
  if (value.type !== 'plain_text' && (kind === 'plain_text' || value.type !== 'mrkdwn'))
    return void problem(problems, `${at}/type`, `unsupported type: ${String(value.type)}`)
  if (typeof value.text !== 'string') return void problem(problems, `${at}/text`, 'must provide a string')
  if (value.text === '') return void problem(problems, `${at}/text`, 'must be more than 0 characters')
  if (slackLength(value.text, value.type) > max)
    problem(problems, `${at}/text`, `must be less than ${max + 1} characters`)
}

function checkString(value: unknown, at: string, max: number, problems: Problems): void {
  if (value === undefined || value === null) return
  if (typeof value !== 'string') return void problem(problems, at, 'must provide a string')
  if (value.length > max) problem(problems, at, `must be less than ${max + 1} characters`)
}

function checkStyle(style: unknown, at: string, problems: Problems): void {
  if (style !== undefined && style !== 'primary' && style !== 'danger')
    problem(problems, at, 'must be a valid enum value')
}

function checkUnique(id: unknown, name: string, at: string, seen: Set<string>, problems: Problems): void {
  if (id === undefined) return
  checkString(id, at, 255, problems)
  if (typeof id !== 'string') return
  if (id === '') problem(problems, at, 'must be more than 0 characters')
  if (seen.has(id)) problem(problems, at, `\`${name}\` "${id}" already exists for another element`)
  seen.add(id)
}

function checkItems(
  value: unknown,
  at: string,
  min: number,
  max: number,
  problems: Problems,
): IterableIterator<[number, unknown]> {
  const items = listOf(value)
  if (!Array.isArray(value)) problem(problems, at, 'must provide an array')
  else if (items.length < min) problem(problems, at, `no fewer than ${min} items required`)
  else if (items.length > max) problem(problems, at, `no more than ${max} items allowed`)
  return items.entries()
}

function problem(problems: Problems, at: string, words: string): void {
  problems.push(`[ERROR] ${words} [json-pointer:${at}]`)
}
