/**
 * `npm run differential`: the scripted client directly and through the gateway, over HTTP, HTTP+SSE and a pipe, in both eras; then
 * through proxies that lose something, each of which must be seen. A comparison that cannot fail proves nothing.
 */
import { differing, type Line, legacySteps, modernSteps, transcriptOf } from './differential.ts'
import { losses, mergesStreams, startLossyProxy } from './lossy-proxy.ts'
import { startFixture, startGateway, startOldFixture, stdioFixture, workplace } from './processes.ts'
import { type Connection, httpLegacy, httpModern, sseLegacy, stdioLegacy, stdioModern } from './speaking.ts'

/** So many steps that go otherwise show a loss; further ones would only wait for what never comes. */
const ENOUGH = 3

type IsEnough = (lines: readonly Line[]) => boolean

let isGood = true
const startedMs = performance.now()
const place = workplace()
const fixture = await startFixture()
const old = await startOldFixture()
const pipes = { legacy: stdioFixture('legacy'), modern: stdioFixture('modern') }
const gateway = await startGateway(place.path, {
  up: { url: fixture.url },
  old: { url: old.url },
  ...pipes,
})
const through = (server: string) => `${gateway.url}/mcp/${server}`
try {
  const legacy = (connection: Connection, like?: readonly Line[], isEnough?: IsEnough) =>
    transcriptOf(connection, legacySteps, like, isEnough)
  const modern = (connection: Connection, like?: readonly Line[], isEnough?: IsEnough) =>
    transcriptOf(connection, modernSteps, like, isEnough)
  const direct = {
    legacy: await legacy(await httpLegacy(fixture.url)),
    modern: await modern(await httpModern(fixture.url)),
  }

  compare('HTTP, legacy', direct.legacy, await legacy(await httpLegacy(through('up')), direct.legacy))
  compare('HTTP, 2026-07-28', direct.modern, await modern(await httpModern(through('up')), direct.modern))
  const piped = {
    legacy: await legacy(await stdioLegacy(pipes.legacy.command, pipes.legacy.args)),
    modern: await modern(await stdioModern(pipes.modern.command, pipes.modern.args)),
  }
  compare(
    'stdio, legacy',
    piped.legacy,
    await legacy(await httpLegacy(through('legacy'), true), piped.legacy),
  )
  compare(
    'stdio, 2026-07-28',
    piped.modern,
    await modern(await httpModern(through('modern'), true), piped.modern),
  )

  const oldDirect = await legacy(await sseLegacy(old.url))
  compare('HTTP+SSE, on both sides', oldDirect, await legacy(await sseLegacy(through('old')), oldDirect))
  compare(
    'HTTP+SSE server, client of Streamable HTTP',
    oldDirect,
    await legacy(await httpLegacy(through('old'), true), oldDirect),
  )

  const neutral = { name: 'loses nothing' }
  const harmless = { like: direct, patienceMs: undefined }
  const unharmed = [
    await seenIn(neutral, 'legacy', false, harmless),
    await seenIn(neutral, 'modern', false, harmless),
  ]
  if (unharmed.some((steps) => steps > 0)) isGood = false
  console.log(`\nA proxy that\n  changes nothing is seen in ${unharmed.join(' and ')} steps`)
  for (const loss of losses) {
    const seen = []
    if (loss.era !== 'modern') seen.push(await seenIn(loss, 'legacy'))
    if (loss.era !== 'legacy') seen.push(await seenIn(loss, 'modern'))
    report(loss.name, seen)
  }
  report(mergesStreams, [await seenIn({ name: mergesStreams }, 'legacy', true)])

  async function seenIn(
    loss: Parameters<typeof startLossyProxy>[1],
    era: 'legacy' | 'modern',
    merges = false,
    // What is lost never comes: nobody waits for it as long as for what is late.
    { like, patienceMs }: { like?: typeof direct; patienceMs: number | undefined } = { patienceMs: 5_000 },
  ) {
    const proxy = await startLossyProxy(fixture.url, loss, merges)
    const stepsSeen = (lines: readonly Line[]) => differing(direct[era].slice(0, lines.length), lines).length
    const isEnough: IsEnough = (lines) => stepsSeen(lines) >= ENOUGH
    try {
      const lossy =
        era === 'legacy'
          ? await legacy(await httpLegacy(proxy.url, false, patienceMs), like?.legacy, isEnough)
          : await modern(await httpModern(proxy.url, false, patienceMs), like?.modern, isEnough)
      return stepsSeen(lossy)
    } catch {
      // Not even the connection came about.
      return ENOUGH
    } finally {
      await proxy.stop()
    }
  }
} finally {
  await gateway.stop()
  await fixture.stop()
  await old.stop()
  place.remove()
}
console.log(`\n${Math.round((performance.now() - startedMs) / 1_000)} s`)
console.log(
  isGood ? '\nNothing is lost, and every loss would be seen.' : '\nSomething is lost, or would be unseen.',
)
process.exit(isGood ? 0 : 1)

function compare(title: string, direct: Awaited<ReturnType<typeof transcriptOf>>, other: typeof direct) {
  const different = differing(direct, other)
  if (different.length > 0) isGood = false
  console.log(
    `${different.length === 0 ? '=' : '≠'} ${title}: ${direct.length} steps, ${different.length} go otherwise`,
  )
  for (const line of different) console.log(`    ${line}`)
}

function report(name: string, seen: readonly number[]) {
  if (seen.some((steps) => steps === 0)) isGood = false
  console.log(
    `  ${seen.every((steps) => steps > 0) ? 'seen  ' : 'UNSEEN'}  ${name} (${seen.join(' and ')} steps${seen.includes(ENOUGH) ? ', or more' : ''})`,
  )
}
