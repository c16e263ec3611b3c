/** Under which names this process may be addressed: everything else is a page that tricks a browser (DNS rebinding). */
import type { Config } from '../config.ts'

export interface Sites {
  isHostAllowed(host: string): boolean
  isOriginAllowed(origin: string): boolean
  /** The path of our public address, for whoever came by it; without a slash at its end. */
  prefixAt(host: string): string
}

const loopbackNames = ['localhost', '127.0.0.1', '[::1]']

/** `port` is the one really listened on. */
export function createSites({ host, publicUrl }: Pick<Config, 'host' | 'publicUrl'>, port: number): Sites {
  const own = isWildcard(host) ? [] : [host.includes(':') ? `[${host}]` : host]
  const hosts = new Set(
    [...loopbackNames, ...own].flatMap((name) => [`${name}:${port}`, ...(port === 80 ? [name] : [])]),
  )
  const origins = new Set([...hosts].map((name) => `http://${name}`))
  if (publicUrl !== null) {
    hosts.add(publicUrl.host)
    origins.add(publicUrl.origin)
  }
  return {
    // Bound to every address, the names it is reached by are unknown. Then nobody passes without a token or a session,
    // and a page that tricks a browser into another name has neither.
    isHostAllowed: (name) => hosts.has(name.toLowerCase()) || isWildcard(host),
    isOriginAllowed: (origin) => origins.has(origin.toLowerCase()),
    prefixAt: (host) =>
      publicUrl !== null && host.toLowerCase() === publicUrl.host
        ? publicUrl.pathname.replace(/\/+$/, '')
        : '',
  }
}

const isWildcard = (host: string) => host === '0.0.0.0' || host === '::'
