/** The arrows of the house: dependencies point one way, and the environment has one reader. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { expect, test } from 'vitest'

const src = resolve(import.meta.dirname, '../src')
const core = ['domain', 'ports', 'services']
const adapters = ['mcp', 'ledger', 'queue', 'auth', 'files', 'api', 'console', 'channels']

/** What each room may import besides itself. Files directly under `src/` are rooms of their own. */
const arrows: Record<string, readonly string[]> = {
  domain: [],
  ports: ['domain'],
  services: ['domain', 'ports'],
  ...Object.fromEntries(adapters.map((room) => [room, core])),
  // A program of its own that happens to live here: it could be any server.
  sample: [],
  'config.ts': ['domain', 'ports', 'files'],
  launch: [...core, ...adapters, 'config.ts'],
  commands: [...core, 'api', 'auth', 'launch', 'demo', 'config.ts'],
  demo: [...core, 'api', 'auth', 'launch', 'commands', 'config.ts'],
  // Read by a Node.js that could not read the rest.
  'node-version.ts': [],
  'main.ts': ['launch', 'node-version.ts'],
  'cli.ts': ['commands', 'config.ts', 'node-version.ts'],
}

const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.tsx?$/.test(name))
  .map((name) => join(src, name))

const roomOf = (file: string) => relative(src, file).split(sep)[0] ?? ''

/** Modules a file imports, types included: a type is a dependency too. */
function imports(file: string): string[] {
  const text = readFileSync(file, 'utf8')
  return [...text.matchAll(/\b(?:from|import)\s*\(?\s*'([\w@./:-]+)'/g)].flatMap((match) => match[1] ?? [])
}

test('there is something to check', () => {
  expect(files.length).toBeGreaterThan(50)
  expect(files.flatMap(imports).length).toBeGreaterThan(200)
})

test('dependencies point one way', () => {
  const wrong = files.flatMap((file) => {
    const room = roomOf(file)
    const allowed = arrows[room]
    if (allowed === undefined) return [`${relative(src, file)}: there is no such room`]
    return imports(file)
      .filter((name) => name.startsWith('.'))
      .map((name) => roomOf(resolve(dirname(file), name)))
      .filter((target) => target !== room && !allowed.includes(target))
      .map((target) => `${relative(src, file)} imports ${target}`)
  })
  expect(wrong).toEqual([])
})

test('workers are entry points: what they do is launched like everything else', () => {
  const workers = resolve(src, '../workers')
  const found = readdirSync(workers).flatMap((name) => imports(join(workers, name)))
  expect(found.length).toBeGreaterThan(0)
  expect(found.filter((name) => !name.startsWith('../src/launch/'))).toEqual([])
})

test('the core knows no infrastructure', () => {
  const wrong = files
    .filter((file) => core.includes(roomOf(file)))
    .flatMap((file) =>
      imports(file)
        .filter((name) => !name.startsWith('.'))
        .filter((name) => !['node:crypto', 'canonicalize', 'jsonc-parser', 'diff'].includes(name))
        .map((name) => `${relative(src, file)} imports ${name}`),
    )
  expect(wrong).toEqual([])
})

test('only the configuration reads the environment', () => {
  const readers = files.filter((file) => readFileSync(file, 'utf8').includes('process.env'))
  // The sample is a program of its own and has an environment of its own.
  expect(readers.map((file) => relative(src, file)).sort()).toEqual(['config.ts', join('sample', 'main.ts')])
})

test('nothing that repeats requests or follows redirects by itself stands between an approval and its upstream', () => {
  const upstream = files.filter((file) => relative(src, file).startsWith(join('mcp', 'upstream') + sep))
  expect(upstream.length).toBeGreaterThan(15)
  // No `fetch`, no retry agent, no interceptors; of the SDK's clients only which variables a child process inherits.
  const plain = ['Client', 'Dispatcher', 'Pool', 'getDefaultEnvironment']
  const senders = /^(undici|node:https?$|@modelcontextprotocol\/(client|sdk\/client))/
  const wrong = upstream.flatMap((file) => {
    const text = readFileSync(file, 'utf8')
    const taken = [...text.matchAll(/^import ([^']*) from '([^']+)'/gm)]
      .filter(([, , from = '']) => senders.test(from))
      .flatMap(([, names = '']) => names.replace(/[{}]|\btype\b/g, '').split(','))
      .map((name) => name.trim())
      .filter((name) => !plain.includes(name))
    const used = [...text.matchAll(/\bfetch\(|\.compose\(|\bimport\(/g)].map(([words]) => words)
    return [...taken, ...used].map((name) => `${relative(src, file)} uses ${name}`)
  })
  expect(wrong).toEqual([])
})
