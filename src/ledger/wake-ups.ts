/** The wake-up port over NOTIFY. It follows the commit: inside the transaction it would serialise all commits. */
import { parseApprovalId } from '../domain/approval-id.ts'
import type { WakeUps } from '../ports/wake-ups.ts'
import type { Notifications } from './notifications.ts'

export const WAKE_UP_CHANNEL = 'holdpoint_wake_up'

export function createWakeUps(notifications: Notifications): WakeUps {
  return {
    announce: (id) => notifications.notify(WAKE_UP_CHANNEL, id),
    onWakeUp(listener) {
      return notifications.on(WAKE_UP_CHANNEL, (payload) => {
        if (payload === null) return listener('all')
        const id = parseApprovalId(payload)
        if (id.ok) listener(id.value)
      })
    },
  }
}
