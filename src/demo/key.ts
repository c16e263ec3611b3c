/** One key from the person at the terminal. */
import { emitKeypressEvents } from 'node:readline'

export type Choice = 'approve' | 'deny' | 'quit'

/** Resolves with the first meaningful key; `quit` on Ctrl-C, and when `signal` aborts because there is nothing to decide any more. */
export function chooseByKey(signal: AbortSignal): Promise<Choice> {
  const { stdin } = process
  return new Promise((resolve) => {
    function done(choice: Choice): void {
      stdin.off('keypress', onKey)
      signal.removeEventListener('abort', quit)
      stdin.setRawMode(false)
      stdin.pause()
      resolve(choice)
    }
    const quit = () => done('quit')
    function onKey(_text: string | undefined, key: { name?: string; ctrl?: boolean }): void {
      if (key.ctrl === true && key.name === 'c') quit()
      else if (key.name === 'a') done('approve')
      else if (key.name === 'd') done('deny')
    }
    emitKeypressEvents(stdin)
    stdin.setRawMode(true)
    stdin.resume()
    stdin.on('keypress', onKey)
    signal.addEventListener('abort', quit)
  })
}
