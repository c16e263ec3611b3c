/** Who is logged in: setup, login, whoami, logout and doctor over the three profile files. */
import { z } from 'zod'
import { directory, samplePerson } from './people.ts'
import { type ProfileFile, type Profiles, profileFiles, type State } from './state.ts'
import { type Dependencies, done, type Handlers, handler } from './tool.ts'

const PROFILE = 'default'
const TOKEN_LIFETIME_MS = 365 * 24 * 60 * 60 * 1000
const FULL_SCOPE =
  'calendar calendar.read mail mail.read task task.read file file.read board board.read user.read'

const NOT_LOGGED_IN =
  '로그인되어 있지 않습니다 (not logged in). nworks_login_user tool로 다시 로그인할 수 있습니다.'

export function accountTools({ state, nowMs }: Dependencies): Handlers {
  return {
    nworks_setup: handler(SetupArguments, (credentials) => {
      put(state, 'credentials.json', credentials)
      return done(
        '인증 정보를 저장했습니다. 샘플이므로 NWORKS_CLIENT_SECRET은 필요하지 않습니다.',
        credentials,
      )
    }),
    nworks_login_user: handler(LoginArguments, ({ scope }) => {
      logIn(state, nowMs(), scope)
      return done(
        `${samplePerson.name} <${samplePerson.email}> 계정으로 로그인했습니다 (logged in). 샘플이므로 브라우저를 열지 않습니다.`,
      )
    }),
    nworks_whoami: handler(NoArguments, () => whoami(state, nowMs())),
    nworks_logout: handler(NoArguments, () => logout(state)),
    nworks_doctor: handler(NoArguments, () => doctor(state, nowMs())),
  }
}

/** Writes what a completed login leaves behind; credentials that `nworks_setup` has written are kept. */
export function logIn(state: State, nowMs: number, scope: string = FULL_SCOPE): void {
  if (defaultProfile(state, 'credentials.json') === null) put(state, 'credentials.json', sampleCredentials)
  const expiresAt = nowMs + TOKEN_LIFETIME_MS
  put(state, 'token.json', { accessToken: 'sample-service-token-not-a-secret', expiresAt })
  put(state, 'user-token.json', {
    accessToken: 'sample-user-token-not-a-secret',
    refreshToken: 'sample-refresh-token-not-a-secret',
    expiresAt,
    scope,
    userId: samplePerson.userId,
  })
}

/** What stands in the way of a tool that acts as the logged-in person, or `null`. */
export const missingLogin = (state: State): string | null =>
  defaultProfile(state, 'user-token.json') === null ? NOT_LOGGED_IN : null

/** What stands in the way of a tool that acts as the bot, or `null`. */
export function missingBot(state: State): string | null {
  const credentials = defaultProfile(state, 'credentials.json')
  const isComplete = typeof credentials?.serviceAccount === 'string' && typeof credentials.botId === 'string'
  return isComplete
    ? null
    : 'Service Account 인증 정보가 없습니다. nworks_setup tool로 serviceAccount와 botId를 설정하세요.'
}

const NoArguments = z.object({})
const LoginArguments = z.object({ scope: z.string().optional() })
const SetupArguments = z.object({
  clientId: z.string(),
  serviceAccount: z.string().optional(),
  botId: z.string().optional(),
  domainId: z.string().optional(),
})
const UserToken = z.object({ userId: z.string(), expiresAt: z.number(), scope: z.string() })

const sampleCredentials = {
  clientId: 'sample-client',
  serviceAccount: 'sample.serviceaccount@example.com',
  botId: '1000001',
  domainId: '2000001',
}

function whoami(state: State, nowMs: number) {
  const stored = defaultProfile(state, 'user-token.json')
  if (stored === null) return done(NOT_LOGGED_IN)
  const token = UserToken.parse(stored)
  const person = directory.find(({ userId }) => userId === token.userId) ?? samplePerson
  return done(`${person.name} <${person.email}> 계정으로 로그인되어 있습니다 (logged in).`, {
    profile: PROFILE,
    userId: person.userId,
    tokenValid: token.expiresAt > nowMs,
    tokenExpiresAt: new Date(token.expiresAt).toISOString(),
    scope: token.scope,
  })
}

/** Like the real one: no question asked, only the `default` profile goes, other profiles stay, nothing is created. */
function logout(state: State) {
  const outcomes = profileFiles.flatMap((file): { file: ProfileFile; keptProfiles: string[] }[] => {
    const profiles = state.readProfiles(file)
    if (profiles?.[PROFILE] === undefined) return []
    const { [PROFILE]: _removed, ...kept } = profiles
    state.writeProfiles(file, kept)
    return [{ file, keptProfiles: Object.keys(kept) }]
  })
  if (outcomes.length === 0) return done(`${NOT_LOGGED_IN} 삭제할 인증 정보가 없습니다 (nothing to remove).`)
  return done('로그아웃했습니다 (logged out). 저장된 인증 정보와 토큰을 삭제했습니다.', {
    profile: PROFILE,
    removed: outcomes.map(({ file, keptProfiles }) => ({
      file,
      isDeleted: keptProfiles.length === 0,
      keptProfiles,
    })),
  })
}

function doctor(state: State, nowMs: number) {
  const token = UserToken.safeParse(defaultProfile(state, 'user-token.json'))
  return done('NAVER WORKS 연결 상태를 진단했습니다.', {
    credentials: defaultProfile(state, 'credentials.json') === null ? '없음 (missing)' : '정상 (ok)',
    bot: missingBot(state) ?? '정상 (ok)',
    userToken: !token.success
      ? '없음 (missing)'
      : token.data.expiresAt > nowMs
        ? '정상 (ok)'
        : '만료 (expired)',
    privateKey: '샘플에는 필요하지 않음 (not needed by the sample)',
    api: '샘플은 네트워크를 사용하지 않음 (the sample uses no network)',
    stateDirectory: state.home,
  })
}

function defaultProfile(state: State, file: ProfileFile): Profiles[string] | null {
  return state.readProfiles(file)?.[PROFILE] ?? null
}

function put(state: State, file: ProfileFile, profile: Profiles[string]): void {
  state.writeProfiles(file, { ...state.readProfiles(file), [PROFILE]: profile })
}
