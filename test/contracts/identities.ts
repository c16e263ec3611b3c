/** What every store of people's identities must do. */
import { beforeEach, describe, expect, test } from 'vitest'
import type { Identities } from '../../src/ports/identities.ts'

const hour = 60 * 60_000

export function identitiesContract(name: string, open: () => Promise<Identities>): void {
  describe(name, () => {
    let identities: Identities
    beforeEach(async () => {
      identities = await open()
    })

    test('a code is used once, whoever comes first', async () => {
      await identities.addCode('code', 'mina', hour)
      const uses = await Promise.all(Array.from({ length: 8 }, () => identities.useCode('code')))
      expect(uses.filter((person) => person === 'mina')).toHaveLength(1)
      expect(uses.filter((person) => person === null)).toHaveLength(7)
    })

    test('a code that is too old or unknown is nobody', async () => {
      await identities.addCode('old', 'mina', 0)
      expect(await identities.useCode('old')).toBeNull()
      expect(await identities.useCode('unknown')).toBeNull()
    })

    test('an account is one person, the one linked last; a person may have several', async () => {
      await identities.link('slack', 'T1/U1', 'jun')
      await identities.link('slack', 'T1/U1', 'mina')
      await identities.link('slack', 'T1/U2', 'mina')
      expect(await identities.personOf('slack', 'T1/U1')).toBe('mina')
      expect(await identities.personOf('mail', 'T1/U1')).toBeNull()
      expect(await identities.accountsOf('slack', 'mina')).toEqual(['T1/U1', 'T1/U2'])
      await identities.unlink('slack', 'T1/U1')
      expect(await identities.personOf('slack', 'T1/U1')).toBeNull()
    })

    test('a session lasts until its time is up or it is ended', async () => {
      await identities.addSession('one', 'mina', hour)
      await identities.addSession('old', 'mina', 0)
      expect(await identities.personOfSession('one')).toBe('mina')
      expect(await identities.personOfSession('old')).toBeNull()
      await identities.endSession('one')
      expect(await identities.personOfSession('one')).toBeNull()
    })

    test('signing out everywhere ends the sessions and voids the codes of that person, of nobody else', async () => {
      await identities.addSession('a', 'mina', hour)
      await identities.addSession('b', 'mina', hour)
      await identities.addSession('c', 'jun', hour)
      await identities.addCode('code', 'mina', hour)
      await identities.addCode('other', 'jun', hour)
      expect(await identities.signOutEverywhere('mina')).toBe(2)
      expect(await identities.personOfSession('a')).toBeNull()
      expect(await identities.personOfSession('c')).toBe('jun')
      expect(await identities.useCode('code')).toBeNull()
      expect(await identities.useCode('other')).toBe('jun')
    })
  })
}
