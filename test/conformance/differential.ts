/**
 * One scripted client, once straight at a server and once through something in between: every message of every exchange has
 * to be the same, byte for byte, except for session ids. Over HTTP the streams are compared one by one; a pipe has only one.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Connection, Step } from './speaking.ts'

/** For what comes by another way than the answer of its step, before anybody knows how much it is. */
const AFTERMATH_MS = 1_000
/** For what came directly and does not come through: lost, on the slowest machine. */
const LOST_MS = 30_000
const LOOK_MS = 10
const LEAVES_AFTER_MS = 1_000

export interface Line {
  readonly step: string
  readonly transcript: string
  /** Messages that the server said by itself. */
  readonly told: number
}

const text = (name: string, args: Record<string, unknown> = {}): Step => ({
  name: `${name} ${JSON.stringify(args).slice(0, 40)}`,
  run: (client) => client.call(name, args),
})
const request = (method: string, params: Record<string, unknown> = {}): Step => ({
  name: `${method} ${JSON.stringify(params)}`,
  run: (client) => client.request(method, params),
})

const values: readonly Record<string, unknown>[] = [
  {},
  { text: '안녕하세요 \u{1F510} "quotes" \\ \n\t' },
  { safe: Number.MAX_SAFE_INTEGER, negative: -0.1, tiny: 1e-7, large: 1e21 },
  { nested: { deep: [{ deeper: [[], {}, null] }] } },
  { yes: true, no: false, nothing: null },
  { long: 'x'.repeat(100_000) },
  { '': 'empty key', 'with space': 1, 'with.dot': 2 },
  { control: '\u0000\u001f\u2028\u2029' },
  { array: Array.from({ length: 200 }, (_, index) => index) },
  { unicode: 'e\u0301 \u00e9 \u202e\u200b \ufeff' },
  { empty: '', blank: ' ', zero: 0, none: [], nobody: {} },
  { deep: JSON.parse(`${'['.repeat(40)}1${']'.repeat(40)}`) },
  { html: '<script>alert(1)</script>', sql: "'; DROP TABLE x; --" },
]

/** What every client can do, in either era. */
const common: readonly Step[] = [
  request('tools/list'),
  request('resources/list'),
  request('resources/templates/list'),
  request('prompts/list'),
  ...[
    'simple_text',
    'image_content',
    'audio_content',
    'embedded_resource',
    'multiple_content_types',
    'error_handling',
  ].map((name) => text(`test_${name}`)),
  ...values.map((value) => text('test_echo', value)),
  {
    name: 'metadata of a request',
    run: (client) =>
      client.call('test_echo', { a: 1 }, { meta: { 'example.com/said': ['kept', { b: 2 }], vendor: 3 } }),
  },
  text('json_schema_2020_12_tool', { name: 'x', contactMethod: 'phone', phone: '1' }),
  ...[
    'static-text',
    'static-binary',
    'watched-resource',
    'template/1/data',
    'template/한글/data',
    'none',
  ].map((name) => request('resources/read', { uri: `test://${name}` })),
  request('prompts/get', { name: 'test_simple_prompt' }),
  request('prompts/get', { name: 'test_prompt_with_arguments', arguments: { arg1: 'hello', arg2: '세계' } }),
  request('prompts/get', {
    name: 'test_prompt_with_embedded_resource',
    arguments: { resourceUri: 'test://x' },
  }),
  request('prompts/get', { name: 'test_prompt_with_image' }),
  request('prompts/get', { name: 'no_such_prompt' }),
  ...['', 'p', 'par', 'zzz'].map((value) =>
    request('completion/complete', {
      ref: { type: 'ref/prompt', name: 'test_prompt_with_arguments' },
      argument: { name: 'arg1', value },
    }),
  ),
  request('completion/complete', {
    ref: { type: 'ref/prompt', name: 'test_prompt_with_arguments' },
    argument: { name: 'arg2', value: 'pa' },
    context: { arguments: { arg1: 'pangyo 판교' } },
  }),
  request('completion/complete', {
    ref: { type: 'ref/resource', uri: 'test://template/{id}/data' },
    argument: { name: 'id', value: '한' },
  }),
  // Pages, from the first to the last, and one that there is not.
  ...[0, 1, 2].map((at) => request('resources/list', { cursor: `${at} 쪽 "/+=%\u{1F4C4}` })),
  request('prompts/list', { cursor: '4 쪽 "/+=%\u{1F4C4}' }),
  request('prompts/list', { cursor: 'gone' }),
  // A name that no header carries as it is.
  request('prompts/get', { name: '없는 안내문 =?base64?7ZWc?=' }),
  text('test_tool_with_progress'),
  { name: 'progress', run: (client) => client.call('test_tool_with_progress', {}, { hearsProgress: true }) },
  {
    name: 'progress of five calls at once',
    run: (client) =>
      Promise.all(
        Array.from({ length: 5 }, () => client.call('test_tool_with_progress', {}, { hearsProgress: true })),
      ),
  },
  {
    name: 'ten calls at once',
    run: (client) =>
      Promise.all(Array.from({ length: 10 }, (_, index) => client.call('test_echo', { index }))),
  },
]

const cancelling: readonly Step[] = [
  {
    name: 'a call that is cancelled',
    hasAftermath: true,
    run: (client) => client.call('test_wait', {}, { leavesAfterMs: LEAVES_AFTER_MS }),
  },
  text('test_cancelled'),
]

const legacyOnly: readonly Step[] = [
  request('ping'),
  ...['debug', 'error', 'info'].flatMap((level) => [
    request('logging/setLevel', { level }),
    text('test_tool_with_logging'),
  ]),
  text('test_sampling', { prompt: 'p' }),
  text('test_elicitation', { message: 'm' }),
  text('test_elicitation_sep1034_defaults'),
  text('test_elicitation_sep1330_enums'),
  text('test_roots'),
  request('resources/subscribe', { uri: 'test://watched-resource' }),
  { ...text('test_change'), hasAftermath: true },
  request('resources/unsubscribe', { uri: 'test://watched-resource' }),
  ...cancelling,
]

const modernOnly: readonly Step[] = [
  request('server/discover'),
  text('test_custom_header', { region: 'ap-northeast-2 서울' }),
  ...[
    'elicitation',
    'sampling',
    'list_roots',
    'request_state',
    'multiple_inputs',
    'multi_round',
    'capabilities',
  ].map((name) => text(`test_input_required_result_${name}`)),
  text('test_missing_capability'),
  text('test_logging_tool'),
  request('prompts/get', { name: 'test_input_required_result_prompt' }),
  {
    name: 'a call that is left',
    hasAftermath: true,
    run: (client) => client.call('test_wait', {}, { leavesAfterMs: LEAVES_AFTER_MS }),
  },
]

export const legacySteps = [...common, ...legacyOnly]
export const modernSteps = [...common, ...modernOnly]

/**
 * Runs every step; an error is part of the transcript.
 * @param like the direct one: as many messages as it had are waited for
 * @param isEnough asked after every step; the rest is left out once it is
 */
export async function transcriptOf(
  connection: Connection,
  steps: readonly Step[],
  like: readonly Line[] = [],
  isEnough: (lines: readonly Line[]) => boolean = () => false,
): Promise<Line[]> {
  const lines: Line[] = []
  for (const [index, step] of steps.entries()) {
    const outcome = await step.run(connection).then(
      (result) => ({ result }),
      (error: unknown) => ({ error: String(error) }),
    )
    if (step.hasAftermath) await sleep(AFTERMATH_MS)
    const giveUpMs = performance.now() + LOST_MS
    const expected = like[index]?.told ?? 0
    while (connection.told() < expected && performance.now() < giveUpMs) await sleep(LOOK_MS)
    const told = connection.told()
    const written = JSON.stringify([outcome, await connection.heard()], null, 1)
    lines.push({
      step: step.name,
      told,
      transcript: written.replaceAll(/v1\.[\w.-]{60,}/g, '<sealed with its time>'),
    })
    if (isEnough(lines)) break
  }
  await connection.close()
  return lines
}

/** Steps that went otherwise, with the first place where. */
export function differing(direct: readonly Line[], through: readonly Line[]): string[] {
  return direct.flatMap(({ step, transcript }, index) => {
    const other = through[index]?.transcript ?? ''
    if (transcript === other) return []
    let at = 0
    while (transcript[at] === other[at]) at++
    const around = (whole: string) => whole.slice(Math.max(0, at - 60), at + 60).replace(/\s+/g, ' ')
    return [`${step}\n      direct  … ${around(transcript)}\n      through … ${around(other)}`]
  })
}
