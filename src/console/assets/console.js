/** What the console does in the browser beyond plain pages and htmx. Without it everything works but the keys and local times. */

localTimes(document)
fillCode()
addEventListener('hashchange', fillCode)
document.addEventListener('htmx:after:swap', () => localTimes(document))
document.addEventListener('submit', onSubmit)
addEventListener('pageshow', () => setButtons(false))
document.addEventListener('keydown', onKey)
rememberKeys()

/** Instants stand in the page as UTC; people read their own time. */
function localTimes(root) {
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' })
  for (const time of root.querySelectorAll('time[datetime]')) {
    const shown = format.format(new Date(time.dateTime))
    if (time.textContent !== shown) time.textContent = shown
  }
}

/** The code came behind `#`, which no server sees. It leaves the address bar, and the person sends it. */
function fillCode() {
  const code = document.querySelector('#code')
  if (code === null || location.hash.length < 2) return
  code.value = decodeURIComponent(location.hash.slice(1))
  history.replaceState(null, '', location.pathname + location.search)
  code.form.querySelector('button').focus()
}

/** A second press while the first is on its way says nothing new. */
function onSubmit(event) {
  // After the browser has noted which button it was.
  setTimeout(() => setButtons(true))
  if (event.submitter !== null) event.submitter.setAttribute('aria-busy', 'true')
}

function setButtons(isDisabled) {
  for (const button of document.querySelectorAll('main button')) {
    button.disabled = isDisabled
    if (!isDisabled) button.removeAttribute('aria-busy')
  }
}

function onKey(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return
  if (event.target instanceof Element && event.target.closest('input, textarea, select') !== null) return
  if (document.querySelector('#keys') === null || !areKeysOn()) return
  const act = keys[event.key]
  if (act === undefined) return
  event.preventDefault()
  act()
}

/** They only move: a decision is said by Enter on the button that has the focus. */
const keys = {
  j: () => step(1),
  k: () => step(-1),
  a: () => go('#yes'),
  d: () => go('#no'),
  q: () => document.querySelector('nav a')?.click(),
  h: () => document.querySelector('nav a:nth-of-type(2)')?.click(),
  '?': () => {
    const list = document.querySelector('#keys')
    list.open = !list.open
    list.querySelector('summary').focus()
    list.scrollIntoView({ block: 'nearest' })
  },
}

function step(by) {
  const calls = [...document.querySelectorAll('a.call')]
  if (calls.length === 0) return
  const at = calls.findIndex((call) => call.contains(document.activeElement))
  const next = at === -1 ? (by > 0 ? 0 : calls.length - 1) : Math.min(Math.max(at + by, 0), calls.length - 1)
  calls[next].focus()
  calls[next].scrollIntoView({ block: 'nearest' })
}

function go(selector) {
  const button = document.querySelector(selector)
  if (button === null) return
  button.focus({ focusVisible: true })
  button.scrollIntoView({ block: 'center' })
}

/** Some people speak to their computer, and a word is many keys. */
function rememberKeys() {
  const box = document.querySelector('#keys-on')
  if (box === null) return
  box.closest('label').hidden = false
  box.checked = areKeysOn()
  box.addEventListener('change', () => localStorage.setItem('keys', box.checked ? 'on' : 'off'))
}

function areKeysOn() {
  return localStorage.getItem('keys') !== 'off'
}
