/**
 * `npm run clients`: real clients through a real gateway, each of which gives up long before the person decides, and still has to
 * go home with the result of a call that ran once. `-- --only <part of a name>` runs less.
 */
import { parseArgs } from 'node:util'
import { agents } from './agents.ts'
import { type Broken, brokenOnes } from './broken.ts'
import type { RealClient } from './client.ts'
import { fastmcp } from './fastmcp.ts'
import { tryAsNewcomer } from './newcomer.ts'
import { openPlace } from './place.ts'
import { programs } from './programs.ts'
import { sdkClients } from './sdk.ts'
import { rows } from './table.ts'
import { type Trial, tryClient } from './trial.ts'

/** They mostly wait, so that a machine of two cores is not what they wait for. */
const AT_ONCE = 6

const { values: options } = parseArgs({ options: { only: { type: 'string' } } })
const isWanted = ({ name }: { readonly name: string }) =>
  options.only === undefined || name.includes(options.only)
const clients = [...programs, ...agents, ...fastmcp, ...sdkClients].filter(isWanted)
const broken = brokenOnes.filter(({ client }) => isWanted(client))
const isNewcomerWanted = isWanted({ name: 'newcomer' })

const trials = new Map<RealClient, Trial>()
const place = await openPlace([...clients, ...broken.map(({ client }) => client), { name: 'newcomer' }])
const newcomer = isNewcomerWanted
  ? tryAsNewcomer(place.directory, await place.holdpoint('agents', 'add', 'newcomer'))
  : Promise.resolve([])
newcomer.catch(() => {})
try {
  const waiting = [...clients.map((client): Pick<Broken, 'client' | 'change'> => ({ client })), ...broken]
  async function work() {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
      trials.set(next.client, await tryClient(next.client, place, next.change))
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  await newcomer
} finally {
  await place.close()
}

const done = clients.flatMap((client) => trials.get(client) ?? [])
const failures = [
  ...done.flatMap(({ client, complaints }) => complaints.map((complaint) => `${client.name}: ${complaint}`)),
  ...broken.flatMap(({ client, complaint }) => {
    const found = trials.get(client)?.complaints ?? []
    return found.some((one) => complaint.test(one))
      ? []
      : [`${client.name} was not found out: ${found.join('; ')}`]
  }),
  ...(await newcomer).flatMap(({ what, complaint }) => (complaint === null ? [] : [`${what}: ${complaint}`])),
]
if (done.length > 0) console.log(rows(done))
if (broken.length > 0) console.log(`\n${broken.length} broken ones, to see that the run can fail:`)
for (const { client } of broken)
  console.log(`  ${client.name}: ${trials.get(client)?.complaints[0]?.slice(0, 100)}`)
if (isNewcomerWanted) console.log('\nThe lines that are printed for newcomers:')
for (const { what, complaint } of await newcomer)
  console.log(`  ${what}: ${complaint === null ? 'works' : 'FAILED'}`)
for (const failure of failures) console.log(`≠ ${failure}`)
console.log(failures.length === 0 ? '\nEvery client went home with its result.' : '\nSomething is wrong.')
process.exitCode = failures.length === 0 && (trials.size > 0 || isNewcomerWanted) ? 0 : 1
