/** Category and level of a tool: what counts, in four languages, and what a hostile server cannot talk its way out of. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { JsonValue } from '../../src/domain/canonical.ts'
import { classify, type ListedTool } from '../../src/domain/risk/classify.ts'
import { categories, risks } from '../../src/domain/risk.ts'

const of = (tool: ListedTool) => classify(tool, { isTrusted: false })
const trusted = (tool: ListedTool) => classify(tool, { isTrusted: true })
const short = (tool: ListedTool) => {
  const { category, risk } = of(tool)
  return `${category} ${risk}`
}

describe('names', () => {
  test.each([
    ['get_issue', 'read low'],
    ['listDeletedFiles', 'read low'],
    ['get_deploy_log', 'read low'],
    ['list_refunds', 'read low'],
    ['create_issue', 'write medium'],
    ['issue_write', 'write medium'],
    ['send-email', 'write high'],
    ['create_refund', 'financial critical'],
    ['cancel_subscription', 'financial critical'],
    ['delete_invoice', 'destructive critical'],
    ['get_and_delete', 'destructive critical'],
    ['read_wipe', 'destructive critical'],
    ['getanddelete', 'destructive critical'],
    ['db.users.drop', 'destructive critical'],
    ['HTTPDeleteAll', 'destructive critical'],
    ['log_out', 'destructive critical'],
    ['de\u200Blete_all', 'destructive critical'],
    ['ｄｅｌｅｔｅ', 'destructive critical'],
    ['run_command', 'execute critical'],
    ['get_secret', 'read high'],
    ['list_leave_types', 'read low'],
    ['read_apex_trigger', 'read low'],
    ['trigger_build', 'execute high'],
    ['leave_channel', 'destructive high'],
    ['get_and_leave', 'destructive high'],
    ['start_search', 'read low'],
    ['start_search_and_delete', 'destructive critical'],
    ['bash_read_file', 'read low'],
    ['bash', 'execute critical'],
    ['bash_read_and_run', 'execute critical'],
    ['close_page', 'execute medium'],
    ['close_issue', 'write medium'],
    ['complete_database_migration', 'execute high'],
    ['mute_host', 'write high'],
    ['create_deposit', 'financial critical'],
    ['파일_삭제', 'destructive critical'],
    ['frobnicate', 'null critical'],
    ['', 'null critical'],
  ])('%s is %s', (name, expected) => {
    expect(short({ name })).toBe(expected)
  })
})

describe('descriptions', () => {
  test.each([
    ['Deletes a file', 'destructive critical'],
    ['Looks up a user and deletes it', 'destructive critical'],
    ['This tool will permanently remove the entry', 'destructive critical'],
    ['Run a search over the documents', 'read low'],
    ['Execute SOQL queries', 'read low'],
    ['Execute SQL queries', 'execute critical'],
    ['Logs out the current user', 'destructive critical'],
    ['Stops and cleans up the environment', 'destructive critical'],
    ['This tool helps debug builds by retrieving their logs', 'read low'],
    ['This tool helps delete builds by listing them', 'destructive critical'],
    ['Get advice: indexes, drop index suggestions', 'read low'],
    ['Get a page, drop the index', 'destructive critical'],
    ['Send input to an existing terminal', 'execute critical'],
    ['Set a custom user agent for the browser', 'execute high'],
    ['Open a form in the browser', 'execute high'],
    ['Get a list of pages open in the browser', 'read low'],
    ['Close a named session', 'execute medium'],
    ['Starts an OAuth login', 'write high'],
    ['사용자 로그인을 시작합니다', 'write high'],
    ['Approve a payroll timesheet', 'financial critical'],
    ['Record a customer payment', 'financial critical'],
    ['Record a note about the payment', 'write medium'],
    // What stands beside a verb that nobody knows does not speak for it.
    ['Frobnicate everything and list it', 'null critical'],
    ['저장된 인증 정보와 토큰을 모두 삭제합니다', 'destructive critical'],
    ['삭제된 파일을 조회합니다', 'read low'],
    ['결제를 환불합니다', 'financial critical'],
    ['메시지를 전송합니다', 'write high'],
    ['ファイルを削除します', 'destructive critical'],
    ['削除されたファイルの一覧を取得します', 'read low'],
    ['指定した口座に送金します', 'financial critical'],
    ['删除所有文件', 'destructive critical'],
    ['查询已删除的订单', 'read low'],
    ['支付宝查询订单', 'read low'],
    ['向用户发送消息', 'write high'],
    ['Foo bar baz', 'null critical'],
  ])('%s is %s', (description, expected) => {
    expect(short({ name: 'x', description })).toBe(expected)
  })

  test('a harmless name does not cover what the description says', () => {
    expect(short({ name: 'get_info', description: 'Deletes every page of the wiki.' })).toBe(
      'destructive critical',
    )
  })

  test('the evidence quotes the words, says where they stand and why they count', () => {
    expect(of({ name: 'delete_page', description: 'Removes a page.' }).evidence).toMatchObject([
      { field: 'name', quote: 'delete', rule: 'verb-in-name', category: 'destructive' },
      { field: 'description', quote: 'Removes', rule: 'verb-in-description', category: 'destructive' },
    ])
  })
})

describe('arguments', () => {
  const takes = (properties: Record<string, JsonValue>, name = 'query') =>
    short({ name, inputSchema: { type: 'object', properties } })

  test('SQL and commands are execution, a promise to read only makes SQL less bad', () => {
    expect(takes({ sql: { type: 'string' } })).toBe('execute critical')
    expect(takes({ command: { type: 'string' } }, 'helper_get')).toBe('execute critical')
    expect(takes({ query: { type: 'string', description: 'The SQL to run' } })).toBe('execute critical')
    expect(takes({ query: { type: 'string', description: 'SQL-like filter' } })).toBe('read low')
    expect(takes({ query: { type: 'string', description: 'What to look for' } })).toBe('read low')
    const inputSchema = { properties: { sql: { type: 'string' } } }
    expect(short({ name: 'query', description: 'Run a read-only SQL query', inputSchema })).toBe(
      'execute high',
    )
  })

  test('a tool with several operations is as bad as the worst, one with open operations critical', () => {
    expect(takes({ operation: { enum: ['get', 'list', 'delete'] } }, 'manage_page')).toBe(
      'destructive critical',
    )
    expect(takes({ operation: { enum: ['get', 'list'] } }, 'manage_page')).toBe('read low')
    expect(takes({ action: { type: 'string' } }, 'manage_page')).toBe('write critical')
  })

  test('files of the machine, any address and an amount of money raise the level', () => {
    expect(takes({ fileId: {}, outputDir: {} }, 'get_file')).toBe('read medium')
    expect(takes({ url: {} }, 'fetch')).toBe('read medium')
    expect(takes({ amount: {}, currency: {} }, 'create_thing')).toBe('financial high')
  })
})

describe('annotations', () => {
  test('may only raise: `readOnlyHint` on a logout changes nothing', () => {
    const plain = { name: 'nworks_logout', description: '저장된 인증 정보를 모두 삭제합니다' }
    expect(of({ ...plain, annotations: { readOnlyHint: true, destructiveHint: false } })).toEqual(of(plain))
    expect(short({ name: 'get_page', annotations: { destructiveHint: true } })).toBe('write high')
    expect(short({ name: 'get_page', annotations: { readOnlyHint: false } })).toBe('write medium')
  })

  test('a trusted server is believed, except about what its own words call destruction, money or execution', () => {
    const hints = { readOnlyHint: true }
    expect(trusted({ name: 'frobnicate', annotations: hints })).toMatchObject({
      category: 'read',
      risk: 'low',
    })
    expect(trusted({ name: 'generate_link', annotations: hints })).toMatchObject({
      category: 'read',
      risk: 'low',
    })
    expect(trusted({ name: 'nworks_logout', annotations: hints })).toMatchObject({ category: 'destructive' })
    expect(trusted({ name: 'create_refund', annotations: hints })).toMatchObject({ category: 'financial' })
  })

  test('whatever they say, without trust no annotation makes a tool milder', () => {
    const words = fc.constantFrom('get', 'create', 'delete', 'pay', 'run', 'file', 'and', 'invoice', 'frob')
    const name = fc.array(words, { maxLength: 4 }).map((some) => some.join('_'))
    const hint = fc.option(fc.oneof(fc.boolean(), fc.string(), fc.constant(null)), { nil: undefined })
    const hints = fc.record({
      readOnlyHint: hint,
      destructiveHint: hint,
      openWorldHint: hint,
      idempotentHint: hint,
    })
    fc.assert(
      fc.property(name, hints, (tool, annotations) => {
        const kept = Object.fromEntries(
          Object.entries(annotations).flatMap(([key, value]) =>
            value === undefined ? [] : [[key, value] as const],
          ),
        )
        const before = of({ name: tool })
        const after = of({ name: tool, annotations: kept })
        expect(risks.indexOf(after.risk)).toBeGreaterThanOrEqual(risks.indexOf(before.risk))
        if (before.category !== null && after.category !== null) {
          expect(categories.indexOf(after.category)).toBeGreaterThanOrEqual(
            categories.indexOf(before.category),
          )
        }
        expect(after.category === null).toBe(before.category === null)
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('hostile tools', () => {
  test('anything may be missing or of another type', () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.constantFrom('name', 'title', 'description', 'inputSchema', 'annotations'),
          fc.jsonValue(),
        ),
        (tool) => {
          const { risk, evidence } = of(JSON.parse(JSON.stringify(tool)))
          expect(risks).toContain(risk)
          expect(evidence.length).toBeLessThanOrEqual(12)
        },
      ),
      { numRuns: 2_000 },
    )
  })

  test('a schema larger than anyone reads is itself a reason for caution, and is not walked to its end', () => {
    const properties = Object.fromEntries(
      Array.from({ length: 100_000 }, (_, at) => [`p${at}`, { type: 'string' }]),
    )
    expect(short({ name: 'get_x', inputSchema: { properties } })).toBe('read high')
    let deep: JsonValue = {}
    for (let at = 0; at < 5_000; at++) deep = { properties: { x: deep } }
    expect(short({ name: 'get_x', inputSchema: deep })).toBe('read high')
    expect(short({ name: 'get_x', inputSchema: { $ref: 'https://example.com/schema.json' } })).toBe(
      'read high',
    )
  })

  test('megabytes of description do not hang', () => {
    const startedMs = performance.now()
    for (const unit of ['[', 'a ', '(', 'and, ', '不', '삭제', 'can not ', 'ing ', 'API | ']) {
      of({ name: unit.repeat(100_000), description: unit.repeat(1_000_000), title: unit.repeat(100_000) })
    }
    expect(performance.now() - startedMs).toBeLessThan(5_000)
  })
})
