/** What a person sees of a message or a view: its words, its buttons, and what Slack folds away. */
import { type Fields, fieldsOf, isFields, listOf, stringOf } from './json.ts'

export interface Shown {
  readonly blocks: readonly Fields[]
  readonly text: string
}

export interface ShownButton {
  readonly text: string
  readonly actionId: string
  readonly blockId: string
  readonly value: string
  readonly style: string
  /** Empty unless the button opens a page. */
  readonly url: string
  /** The words of the dialog that Slack opens first, empty when there is none. */
  readonly confirm: string
}

/** All text in the blocks, folded parts included; the fallback text when there are no blocks. */
export function textOf(shown: Shown): string {
  return shown.blocks.length === 0 ? unescaped(shown.text) : linesOf(shown.blocks).join('\n')
}

/** The same before anybody presses "See more": a long section without `expand` is cut where Slack cuts it. */
export function textAtAGlance(shown: Shown): string {
  if (shown.blocks.length === 0) return unescaped(shown.text)
  return linesOf(shown.blocks.map((block) => (block.type === 'section' ? folded(block) : block))).join('\n')
}

export function buttonsOf({ blocks }: Pick<Shown, 'blocks'>): ShownButton[] {
  return elementsOf(blocks)
    .filter(({ element }) => element.type === 'button')
    .map(({ element, blockId }) => ({
      text: textObject(element.text),
      actionId: stringOf(element.action_id),
      blockId,
      value: stringOf(element.value),
      style: stringOf(element.style),
      url: stringOf(element.url),
      confirm: dialogText(element.confirm),
    }))
}

/** Everything that can be pressed, chosen or filled in, with the block that holds it. */
export function elementsOf(blocks: readonly Fields[]): { element: Fields; blockId: string; block: Fields }[] {
  return blocks.flatMap((block) => {
    const own = [
      ...listOf(block.elements),
      ...listOf(block.actions),
      ...(isFields(block.accessory) ? [block.accessory] : []),
      ...(isFields(block.element) ? [block.element] : []),
    ].filter(isFields)
    const inside = elementsOf(listOf(block.child_blocks).filter(isFields))
    const cards = block.type === 'carousel' ? elementsOf(own) : []
    const blockId = stringOf(block.block_id)
    return [
      ...own
        .filter(({ action_id }) => action_id !== undefined)
        .map((element) => ({ element, blockId, block })),
      ...inside,
      ...cards,
    ]
  })
}

/** About 600 characters or 5 lines are shown, whichever comes first. */
const FOLD_CHARACTERS = 600
const FOLD_LINES = 5

function folded(section: Fields): Fields {
  const text = fieldsOf(section.text)
  const words = stringOf(text.text)
  if (section.expand === true) return section
  const lines = words.split('\n').slice(0, FOLD_LINES).join('\n').slice(0, FOLD_CHARACTERS)
  return lines === words ? section : { ...section, text: { ...text, text: `${lines}… See more` } }
}

function linesOf(blocks: readonly Fields[]): string[] {
  return blocks.flatMap((block) => blockLines(block)).filter((line) => line !== '')
}

function blockLines(block: Fields): string[] {
  switch (block.type) {
    case 'rich_text':
      return listOf(block.elements).map((element) => richText(fieldsOf(element)))
    case 'table':
      return listOf(block.rows).map((row) => listOf(row).map(cellText).join(' | '))
    case 'markdown':
      return [stringOf(block.text)]
    case 'carousel':
      return linesOf(listOf(block.elements).filter(isFields))
    default:
      return [
        richTextBlock(block.rich_text_title),
        textObject(block.title),
        textObject(block.subtitle),
        textObject(block.label),
        textObject(block.text),
        textObject(block.body),
        ...listOf(block.fields).map(textObject),
        ...[...listOf(block.elements), ...listOf(block.actions), block.accessory, block.element].map(
          elementText,
        ),
        stringOf(block.alt_text),
        textObject(block.hint),
        ...linesOf(listOf(block.child_blocks).filter(isFields)),
      ]
  }
}

function elementText(value: unknown): string {
  const element = fieldsOf(value)
  if (element.type === 'mrkdwn' || element.type === 'plain_text') return textObject(element)
  const options = listOf(element.options).map((option) => textObject(fieldsOf(option).text))
  const label = [textObject(element.text), stringOf(element.initial_value), stringOf(element.alt_text)]
  return [...label, ...options].filter((words) => words !== '').join(' · ')
}

function dialogText(value: unknown): string {
  const { title, text, confirm, deny } = fieldsOf(value)
  return [title, text, confirm, deny]
    .map(textObject)
    .filter((words) => words !== '')
    .join('\n')
}

function textObject(value: unknown): string {
  if (typeof value === 'string') return value
  const { type, text } = fieldsOf(value)
  return type === 'mrkdwn' ? mrkdwn(stringOf(text)) : unescaped(stringOf(text))
}

function cellText(cell: unknown): string {
  const fields = fieldsOf(cell)
  return fields.type === 'rich_text' ? richTextBlock(fields) : stringOf(fields.text)
}

const richTextBlock = (value: unknown) =>
  listOf(fieldsOf(value).elements)
    .map((element) => richText(fieldsOf(element)))
    .join('\n')

function richText(element: Fields): string {
  if (element.type === 'rich_text_list')
    return listOf(element.elements)
      .map((item) => richText(fieldsOf(item)))
      .join('\n')
  return listOf(element.elements)
    .map((leaf) => richLeaf(fieldsOf(leaf)))
    .join('')
}

/** Rich text is shown as it is: nothing in it is an escape. */
function richLeaf(leaf: Fields): string {
  switch (leaf.type) {
    case 'link':
      return stringOf(leaf.text) === '' ? stringOf(leaf.url) : stringOf(leaf.text)
    case 'emoji':
      return `:${stringOf(leaf.name)}:`
    case 'user':
      return `@${stringOf(leaf.user_id)}`
    case 'usergroup':
      return `@${stringOf(leaf.usergroup_id)}`
    case 'channel':
      return `#${stringOf(leaf.channel_id)}`
    case 'broadcast':
      return `@${stringOf(leaf.range)}`
    case 'date':
      return stringOf(leaf.fallback) === ''
        ? new Date(Number(leaf.timestamp) * 1000).toISOString()
        : stringOf(leaf.fallback)
    default:
      return stringOf(leaf.text)
  }
}

/** Links and mentions by their words, dates by their fallback. */
function mrkdwn(text: string): string {
  const shown = text.replace(/<([^<>|]*)(?:\|([^<>]*))?>/g, (_whole, target: string, label?: string) => {
    if (label !== undefined) return label
    return target.startsWith('!subteam^') ? `@${target.slice('!subteam^'.length)}` : target.replace(/^!/, '@')
  })
  return unescaped(shown)
}

function unescaped(text: string): string {
  return text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&')
}
