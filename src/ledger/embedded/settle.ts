/** As whom and where: the first pair that works, or the reason why none does. */
import { lchown, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from '../../ports/log.ts'
import { awayFrom, type Home, isCluster } from './home.ts'
import type { Host } from './host.ts'
import { droppedOf, firstClosed, type Identity, namespaceOf, ownerOf } from './identity.ts'
import { EmbeddedPostgresUnavailable } from './unavailable.ts'

export interface Settled {
  readonly identity: Identity
  readonly home: Home
}

/** Another user's data is closed to us, and asking its server would only say so in worse words. */
export async function refuseAnothersData(host: Host, home: Home): Promise<void> {
  const owner = await ownerOf(home.cluster)
  if (owner === null || host.uid === 0 || host.uid === owner.uid) return
  const sentence = `${home.cluster} belongs to user ${owner.uid}, and this is user ${host.uid}`
  throw new EmbeddedPostgresUnavailable('user', sentence)
}

export async function settle(host: Host, home: Home, log: Log): Promise<Settled> {
  const owner = (await isCluster(home)) ? await ownerOf(home.cluster) : null
  if (owner === null) return settleNew(host, home, log)
  // Data is served as its owner, so that whoever made it can go on using it.
  if (owner.uid !== 0) {
    return { identity: owner.uid === host.uid ? self(host) : { kind: 'dropped', ...owner }, home }
  }
  const namespace = await namespaceOf(host)
  if (namespace !== null) return { identity: namespace, home }
  return handOver(host, home, log)
}

async function settleNew(host: Host, home: Home, log: Log): Promise<Settled> {
  if (host.uid !== 0 && host.isNamed) return { identity: self(host), home }

  const namespace = await namespaceOf(host)
  if (namespace !== null && (await firstClosed(home.dir, namespace)) === null) {
    return { identity: namespace, home }
  }
  if (host.uid !== 0) {
    const sentence = `user id ${host.uid} has no name on this machine, and user namespaces are forbidden`
    throw new EmbeddedPostgresUnavailable('user', sentence)
  }
  const dropped = await unprivilegedOf(host)
  const closed = await firstClosed(home.dir, dropped)
  if (closed === null) {
    log.info({ uid: dropped.uid }, 'no user namespaces: the embedded PostgreSQL runs as an unprivileged user')
    return { identity: dropped, home }
  }
  const away = awayFrom(host, home.dir)
  log.warn(
    { uid: dropped.uid, closed, cluster: away.cluster },
    'the embedded PostgreSQL keeps its data elsewhere: its unprivileged user cannot reach the data directory',
  )
  return { identity: dropped, home: away }
}

/** Root's data where namespaces no longer work: it goes to the unprivileged account, if that can reach it. */
async function handOver(host: Host, home: Home, log: Log): Promise<Settled> {
  const dropped = await unprivilegedOf(host)
  const closed = await firstClosed(home.dir, dropped)
  if (closed !== null) {
    const sentence = `PostgreSQL refuses root, user namespaces are forbidden, and user ${dropped.uid} may not pass ${closed} to the data`
    throw new EmbeddedPostgresUnavailable('user', sentence)
  }
  log.info(
    { uid: dropped.uid, cluster: home.cluster },
    'no user namespaces: the data goes to an unprivileged user',
  )
  for (const name of await readdir(home.cluster, { recursive: true })) {
    await lchown(join(home.cluster, name), dropped.uid, dropped.gid)
  }
  // The directory itself last: until then its owner says that this is not finished.
  await lchown(home.cluster, dropped.uid, dropped.gid)
  return { identity: dropped, home }
}

async function unprivilegedOf(host: Host): Promise<Identity> {
  const dropped = await droppedOf(host)
  if (dropped !== null) return dropped
  throw new EmbeddedPostgresUnavailable(
    'user',
    'PostgreSQL refuses root, user namespaces are forbidden, and there is no other user that root may become',
  )
}

const self = (host: Host): Identity => ({ kind: 'self', ...pick(host) })
const pick = ({ uid, gid }: { uid: number; gid: number }) => ({ uid, gid })
