/**
 * Who passes to the console: a person with a session of their own, in a cookie. No bearer token, of whomever, opens it.
 * What changes something must also come from our own page: same origin, and the secret of this session in the form.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { HttpBindings } from '@hono/node-server'
import type { Context, MiddlewareHandler } from 'hono'
import { getCookie } from 'hono/cookie'
import type { Person } from '../domain/principal.ts'
import type { Sessions } from '../ports/sessions.ts'

/** `incoming` is missing when no socket is involved. */
export type ConsoleEnv = {
  Bindings: Partial<HttpBindings>
  Variables: { person: Person; token: string; unseen: number }
}

/** A form of the console is a digest and a sentence, or arguments that fit a text box, in which a letter may take nine bytes. */
const FORM_BYTES_MAX = 256 * 1024

/** Nothing from elsewhere, nothing inline: text of an agent that became markup by mistake could still do nothing. */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join('; ')

export const pageHeaders: MiddlewareHandler<ConsoleEnv> = async function setPageHeaders(c, next) {
  c.header('Content-Security-Policy', contentSecurityPolicy)
  c.header('X-Content-Type-Options', 'nosniff')
  // Not `no-referrer`: with that, browsers send `Origin: null` with our own forms. Others learn nothing either way.
  c.header('Referrer-Policy', 'same-origin')
  c.header('Cross-Origin-Opener-Policy', 'same-origin')
  c.header('Cross-Origin-Resource-Policy', 'same-origin')
  c.header('Cache-Control', 'no-store')
  await next()
}

export interface Cookie {
  readonly name: string
  readonly isSecure: boolean
}

/** `__Host-`: bound to exactly this host, and never sent over plain HTTP. Needs https, so only where people use it. */
export function cookieFor(publicUrl: URL | null): Cookie {
  const isSecure = publicUrl?.protocol === 'https:'
  return { name: isSecure ? '__Host-holdpoint' : 'holdpoint', isSecure }
}

export function onlySignedIn(
  sessions: Sessions,
  cookie: Cookie,
  refuse: (c: Context<ConsoleEnv>) => Response | Promise<Response>,
): MiddlewareHandler<ConsoleEnv> {
  return async function requireSession(c, next) {
    const token = getCookie(c, cookie.name)
    const person = token === undefined ? null : await sessions.personOf(token)
    if (token === undefined || person === null) return refuse(c)
    c.set('person', person)
    c.set('token', token)
    return next()
  }
}

/** The secret that stands in every form of this session. It follows from the cookie, so nothing has to be kept. */
export const formToken = (sessionToken: string): string =>
  createHmac('sha256', sessionToken).update('holdpoint console form').digest('base64url')

export function isFormTokenOf(sessionToken: string, presented: string | null): boolean {
  const expected = Buffer.from(formToken(sessionToken))
  const given = Buffer.from(presented ?? '')
  return given.length === expected.length && timingSafeEqual(given, expected)
}

/** Browsers that know `Sec-Fetch-Site` say it over https and on loopback; all of them send `Origin` with a POST. */
export function isFromOurPage(c: Context, publicUrl: URL | null): boolean {
  const site = c.req.header('sec-fetch-site')
  if (site !== undefined && site !== 'same-origin') return false
  const origin = c.req.header('origin')
  if (origin === undefined) return site === 'same-origin'
  if (origin === publicUrl?.origin) return true
  return URL.canParse(origin) && new URL(origin).host === c.req.header('host')
}

/** The fields of a posted form; `null`: it is none, or too large. */
export async function formOf(c: Context): Promise<URLSearchParams | null> {
  const type = c.req.header('content-type') ?? ''
  if (!/^application\/x-www-form-urlencoded\b/i.test(type)) return null
  const body = c.req.raw.body
  if (body === null) return null
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.byteLength
    if (bytes > FORM_BYTES_MAX) return null
    chunks.push(chunk)
  }
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'))
}
