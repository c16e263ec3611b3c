/** The REST API about the kill switch as the command line uses it. */
import {
  type StopBody,
  type StopPage,
  type StopPut,
  type StopView,
  stopLifted,
  stopPage,
  stopPut,
} from '../api/stop-schemas.ts'
import { ok } from '../domain/result.ts'
import { type Answer, createRequest } from './client.ts'
import type { ClientSettings } from './settings.ts'

export interface StopClient {
  /** What is stopped now. */
  inForce(): Answer<StopPage>
  history(before: number | null): Answer<StopPage>
  put(body: StopBody): Answer<StopPut>
  lift(number: number): Answer<StopView>
}

export function createStopClient(settings: ClientSettings): StopClient {
  const request = createRequest(settings)
  return {
    inForce: () => request('/stops', stopPage),
    history: (before) =>
      request(`/stops?lifted=true&limit=100${before === null ? '' : `&before=${before}`}`, stopPage),
    put: (body) => request('/stops', stopPut, body),
    async lift(number) {
      const answer = await request(`/stops/${number}/lift`, stopLifted, {})
      return answer.ok ? ok(answer.value.stop) : answer
    },
  }
}
