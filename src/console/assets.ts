/** What pages load besides themselves: style, script, htmx and the icon, each under a name that changes with its content. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { Hono } from 'hono'
import { sha256 } from '../domain/canonical.ts'

const require = createRequire(import.meta.url)
/** Beside this file; a build copies them along. */
const own = (name: string) => fileURLToPath(new URL(`./assets/${name}`, import.meta.url))

const kinds = {
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
} as const

const styles = ['paper', 'frame', 'forms', 'calls', 'approval', 'after', 'accounts', 'stops', 'tools'].map(
  (name) => own(`${name}.css`),
)

/** One asset may come from several files. */
const sources = {
  style: { kind: 'css', files: styles },
  script: { kind: 'js', files: [own('console.js')] },
  icon: { kind: 'svg', files: [own('icon.svg')] },
  // In one file: htmx begins as soon as it is loaded, and does not see an extension that comes a moment later.
  htmx: {
    kind: 'js',
    files: [require.resolve('htmx.org/dist/htmx.min.js'), require.resolve('htmx.org/dist/ext/hx-sse.min.js')],
  },
} as const

export type AssetName = keyof typeof sources

const loaded = new Map<string, { readonly text: string; readonly type: string }>()
const paths = Object.fromEntries(
  Object.entries(sources).map(([name, { kind, files }]) => {
    const text = files.map((file) => readFileSync(file, 'utf8')).join(kind === 'js' ? ';\n' : '\n')
    const path = `assets/${name}.${sha256(text).slice(0, 12)}.${kind}`
    loaded.set(path, { text, type: kinds[kind] })
    return [name, path]
  }),
)

/** Relative to the root of the console. */
export const assetPath = (name: AssetName): string => paths[name] ?? ''

export const assets = new Hono().get('/assets/:file', (c) => {
  const asset = loaded.get(`assets/${c.req.param('file')}`)
  if (asset === undefined) return c.text('There is no such file.\n', 404, { 'Cache-Control': 'no-store' })
  return c.body(asset.text, 200, {
    'Content-Type': asset.type,
    'Cache-Control': 'public, max-age=31536000, immutable',
    'X-Content-Type-Options': 'nosniff',
  })
})
