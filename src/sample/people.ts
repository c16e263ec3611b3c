/** The people and channels of the sample company. They are fixed: no tool changes them. */

export interface Member {
  readonly userId: string
  readonly name: string
  readonly email: string
  readonly team: string
}

/** The person who is logged in when the sample starts for the first time. */
export const samplePerson: Member = {
  userId: 'haneul.kim',
  name: '김하늘 (Haneul Kim)',
  email: 'haneul.kim@example.com',
  team: '고객지원팀',
}

export const directory: readonly Member[] = [
  samplePerson,
  { userId: 'bada.lee', name: '이바다 (Bada Lee)', email: 'bada.lee@example.com', team: '고객지원팀' },
  { userId: 'sol.park', name: '박솔 (Sol Park)', email: 'sol.park@example.com', team: '개발팀' },
]

export const channels: ReadonlyMap<string, readonly string[]> = new Map([
  ['channel-support', ['haneul.kim', 'bada.lee']],
  ['channel-all', ['haneul.kim', 'bada.lee', 'sol.park']],
])
