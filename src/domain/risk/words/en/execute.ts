/** English verbs that run, start, stop or click something. Plurals are things, never verbs: `posts` are read, to `post` is to publish. */
import type { Meaning } from '../meaning.ts'

export const executeWords: readonly Meaning[] = [
  {
    category: 'execute',
    risk: 'critical',
    reason: 'runs code or commands that the caller chooses',
    verbs: ['exec', 'execute', 'eval', 'evaluate', 'invoke', 'spawn', 'sudo'],
    verbsOrNouns: ['run', 'shell', 'bash', 'powershell', 'terminal', 'repl', 'script', 'command', 'compose'],
  },
  {
    category: 'execute',
    risk: 'high',
    reason: 'starts, stops or changes something that is running',
    verbs: [
      'start',
      'stop',
      'restart',
      'reboot',
      'trigger',
      'launch',
      'deploy',
      'redeploy',
      'rerun',
      'retry',
      'pause',
      'resume',
      'unpause',
      'dispatch',
      'simulate',
      'enqueue',
      'reindex',
      'debug',
      'attach',
      'failover',
    ],
    verbsOrNouns: ['queue', 'forward', 'proxy', 'tunnel', 'play', 'call'],
  },
  {
    category: 'execute',
    risk: 'high',
    reason: 'acts in a browser or on a screen, with whatever that sets off',
    verbs: ['click', 'navigate', 'hover', 'drag', 'tap', 'swipe', 'scroll', 'fill'],
    verbsOrNouns: ['type', 'press', 'mouse', 'keyboard', 'dialog'],
  },
  {
    category: 'execute',
    risk: 'medium',
    reason: 'changes the state of a connection or a window',
    verbs: ['connect', 'disconnect', 'reconnect', 'resize', 'emulate', 'reload', 'refresh'],
  },
]
