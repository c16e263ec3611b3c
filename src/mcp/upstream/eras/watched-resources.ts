/**
 * The resources that one client wants to hear of. With every change all of them are said to the server, in one request, so that
 * there are not more of them than a client shows to anybody.
 */

/** A client subscribes to what it has open. */
export const RESOURCES_MAX = 1_000
/** Of all of them together: a request of this size is taken by every server. */
const CHARACTERS_MAX = 256 * 1024

export interface WatchedResources {
  /** @returns why not, or `null` */
  add(uri: string): string | null
  delete(uri: string): void
  all(): string[]
}

export function createWatchedResources(): WatchedResources {
  const uris = new Set<string>()
  let characters = 0
  return {
    add(uri) {
      if (uris.has(uri)) return null
      const full = tooMany(uris.size + 1, characters + uri.length)
      if (full !== null) return full
      uris.add(uri)
      characters += uri.length
      return null
    },
    delete(uri) {
      if (uris.delete(uri)) characters -= uri.length
    },
    all: () => [...uris],
  }
}

/** Of a wish that names them all at once. @returns why not, or `null` */
export function tooManyResources(uris: readonly string[]): string | null {
  return tooMany(
    uris.length,
    uris.reduce((sum, { length }) => sum + length, 0),
  )
}

function tooMany(count: number, characters: number): string | null {
  const remedy = 'Unsubscribe from resources that are not needed any more.'
  if (count > RESOURCES_MAX)
    return `More than ${RESOURCES_MAX} resources cannot be subscribed to here. ${remedy}`
  return characters > CHARACTERS_MAX
    ? `The URIs of all subscriptions may have ${CHARACTERS_MAX} characters together. ${remedy}`
    : null
}
