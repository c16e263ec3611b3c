/** The REST API about policies as the command line uses it. */
import {
  type PolicyPreview,
  policyPreview,
  policyPut,
  type RevisionPage,
  type RevisionView,
  revisionPage,
  revisionView,
  type WishBody,
} from '../api/policy-schemas.ts'
import { type SimulationView, simulationView } from '../api/simulation-schemas.ts'
import { type SuggestedView, suggestedView } from '../api/suggestion-schemas.ts'
import { type Answer, createRequest } from './client.ts'
import type { ClientSettings } from './settings.ts'

export interface PolicyClient {
  list(server: string, before: number | null): Answer<RevisionPage>
  /** `null`: the one in force. */
  show(server: string, number: number | null): Answer<RevisionView>
  preview(server: string, wish: WishBody): Answer<PolicyPreview>
  simulate(server: string, wish: WishBody, spanMs: number): Answer<SimulationView>
  suggest(
    server: string,
    wish: { spanMs: number; decisionsMin: number; peopleMin: number },
  ): Answer<SuggestedView>
  put(server: string, wish: WishBody, inForce: number | null): Answer<{ number: number }>
}

export function createPolicyClient(settings: ClientSettings): PolicyClient {
  const request = createRequest(settings)
  const at = (server: string) => `/policies/${encodeURIComponent(server)}`
  return {
    list: (server, before) =>
      request(`${at(server)}?limit=100${before === null ? '' : `&before=${before}`}`, revisionPage),
    show: (server, number) => request(`${at(server)}/${number ?? 'in-force'}`, revisionView),
    preview: (server, wish) => request(`${at(server)}/preview`, policyPreview, wish),
    simulate: (server, wish, spanMs) => request(`${at(server)}/simulate`, simulationView, { wish, spanMs }),
    suggest: (server, wish) => request(`${at(server)}/suggest`, suggestedView, wish),
    put: (server, wish, inForce) => request(`${at(server)}/put`, policyPut, { wish, inForce }),
  }
}
