/** What a running gateway holds, seen from outside: by its inspector after a forced garbage collection, by /proc, and by its stores. */
import { readdirSync, readFileSync } from 'node:fs'
import { WebSocket } from 'undici'
import { z } from 'zod'
import { query } from '../support/gateway-process.ts'

/** Each a number that is the same after a round as before, unless something is kept that ought to have gone. */
export type Measures = Readonly<Record<string, number>>

/** Objects of which each stream, request, timer or listener that is kept keeps one. */
const counted = ['AbortSignal', 'ReadableStream']

const replySchema = z.object({ id: z.number(), result: z.looseObject({}).optional() })

export interface Inspector {
  measure(): Promise<Measures>
  close(): void
}

/** @param output of a process that was started with `--inspect` */
export async function inspect(output: string, pid: number): Promise<Inspector> {
  const address = /ws:\/\/\S+/.exec(output)?.[0]
  if (address === undefined) throw new Error('the process does not say where its inspector is')
  const socket = new WebSocket(address)
  const waiting = new Map<number, (result: Record<string, unknown>) => void>()
  let ids = 0
  socket.addEventListener('message', ({ data }) => {
    const reply = replySchema.safeParse(JSON.parse(String(data)))
    if (reply.success) waiting.get(reply.data.id)?.(reply.data.result ?? {})
  })
  await new Promise((done, fail) => {
    socket.addEventListener('open', done, { once: true })
    socket.addEventListener('error', () => fail(new Error('no inspector')), { once: true })
  })

  const ask = (method: string, params: object = {}) =>
    new Promise<Record<string, unknown>>((done) => {
      const id = ++ids
      waiting.set(id, (result) => {
        waiting.delete(id)
        done(result)
      })
      socket.send(JSON.stringify({ id, method, params }))
    })

  async function evaluate(expression: string): Promise<{ value?: unknown; objectId?: string | undefined }> {
    const { result } = await ask('Runtime.evaluate', { expression, objectGroup: 'soak' })
    return z.object({ value: z.unknown().optional(), objectId: z.string().optional() }).parse(result)
  }

  async function countOf(name: string): Promise<number> {
    const { objectId } = await evaluate(`${name}.prototype`)
    const { objects } = await ask('Runtime.queryObjects', {
      prototypeObjectId: objectId,
      objectGroup: 'soak',
    })
    const { objectId: found } = z.object({ objectId: z.string() }).parse(objects)
    const { result } = await ask('Runtime.callFunctionOn', {
      objectId: found,
      functionDeclaration: 'function () { return this.length }',
      returnByValue: true,
    })
    return z.object({ value: z.number() }).parse(result).value
  }

  return {
    async measure() {
      await ask('HeapProfiler.enable')
      // What is held weakly goes one collection after what held it.
      for (let times = 0; times < 3; times++) {
        await ask('HeapProfiler.collectGarbage')
        await new Promise((done) => setTimeout(done, 50))
      }
      const counts: Record<string, number> = {}
      for (const name of counted) counts[name] = await countOf(name)
      await ask('Runtime.releaseObjectGroup', { objectGroup: 'soak' })
      const resources = await evaluate('JSON.stringify(process.getActiveResourcesInfo())')
      const active = z.array(z.string()).parse(JSON.parse(String(resources.value)))
      const { usedSize } = z.object({ usedSize: z.number() }).parse(await ask('Runtime.getHeapUsage'))
      return {
        ...counts,
        timers: active.filter((kind) => kind === 'Timeout').length,
        sockets: active.filter((kind) => kind === 'TCPSocketWrap').length,
        descriptors: readdirSync(`/proc/${pid}/fd`).length,
        children: childrenOf(pid).length,
        heapKiB: Math.round(usedSize / 1024),
      }
    },
    close: () => socket.close(),
  }
}

export function childrenOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) => {
    try {
      return readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean)
    } catch {
      // A thread that has just ended.
      return []
    }
  })
}

/** Connections to the database, ours for this question not among them. */
export async function databaseConnections(databaseUrl: string): Promise<number> {
  const [row] = await query<{ count: string }>(
    databaseUrl,
    'SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
  )
  return Number(row?.count)
}
