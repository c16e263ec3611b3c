/** What a hint names can be pasted: the command as it is called, the directory where it is found, and what goes with it. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { whereToRun } from '../../src/launch/banner.ts'
import { holdpoint } from './cli-runner.ts'

const src = resolve(import.meta.dirname, '../../src')

test('no hint names a bare `holdpoint`, which is on nobody’s PATH', () => {
  const rooms = ['commands', 'launch', 'api', 'files', 'domain', 'services', 'config.ts']
  const files = rooms.flatMap((room) =>
    room.endsWith('.ts')
      ? [room]
      : readdirSync(join(src, room), { recursive: true, encoding: 'utf8' }).map((name) => join(room, name)),
  )
  const bare = files
    .filter((name) => name.endsWith('.ts'))
    .flatMap((name) => {
      // Header comments name the commands of this program, not what to type.
      const text = readFileSync(join(src, name), 'utf8').replaceAll(/\/\*\*[\s\S]*?\*\//g, '')
      const found =
        /(?<!npx |\/)\bholdpoint (people|agents|approvals|start|slack|doctor|validate|demo|policy|tools|test|scan|stdio|accounts)\b/.exec(
          text,
        )
      return found === null ? [] : [`${name}: ${found[0]}`]
    })
  expect(bare).toEqual([])
})

test('the banner says where to run them, and which settings would otherwise differ there', () => {
  const root = '/home/me/holdpoint'
  const here = { file: null, dataDir: `${root}/.holdpoint`, databaseUrl: null }
  expect(whereToRun(here, root)).toEqual([`  (run these in ${root})`])
  expect(whereToRun({ ...here, file: `${root}/holdpoint.yaml` }, root)).toEqual([`  (run these in ${root})`])
  const elsewhere = { file: '/etc/my team/hp.yaml', dataDir: '/etc/my team/.holdpoint', databaseUrl: null }
  expect(whereToRun(elsewhere, root)).toEqual([
    `  (run these in ${root}, with HOLDPOINT_CONFIG='/etc/my team/hp.yaml')`,
  ])
  expect(whereToRun({ file: null, dataDir: '/data', databaseUrl: 'postgres://u:p@db/x' }, root)).toEqual([
    `  (run these in ${root}, with HOLDPOINT_DATA=/data and the same DATABASE_URL)`,
  ])
})

test('without a token, a person learns that the one of the last start is void', async () => {
  const { err } = await holdpoint(['approvals', 'list'])
  expect(err).toContain('`npx holdpoint people token <id>`')
  expect(err).toContain(
    'While no people are configured you are `local`, and the gateway prints a new token at each start.',
  )
})
