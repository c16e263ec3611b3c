/** What every store of connected accounts must do. */
import { beforeEach, describe, expect, test } from 'vitest'
import type { AccountStore } from '../../src/ports/accounts.ts'

const minute = 60_000
const bytes = (text: string) => new Uint8Array(Buffer.from(text))
const text = (sealed: Uint8Array | undefined) => Buffer.from(sealed ?? []).toString()

export function accountsContract(name: string, open: () => Promise<AccountStore>): void {
  describe(name, () => {
    let accounts: AccountStore
    beforeEach(async () => {
      accounts = await open()
    })

    test('an account belongs to one server and one person, and the last one counts', async () => {
      await accounts.put('crm', 'jun', bytes('first'))
      await accounts.put('crm', 'mina', bytes('hers'))
      await accounts.put('crm', 'jun', bytes('second'))
      expect(text((await accounts.get('crm', 'jun'))?.sealed)).toBe('second')
      expect(text((await accounts.get('crm', 'mina'))?.sealed)).toBe('hers')
      expect(await accounts.get('wiki', 'jun')).toBeNull()
      expect((await accounts.list()).map(({ server, owner }) => `${server} ${owner}`)).toEqual([
        'crm jun',
        'crm mina',
      ])
      expect([await accounts.remove('crm', 'jun'), await accounts.remove('crm', 'jun')]).toEqual([
        true,
        false,
      ])
      expect(await accounts.get('crm', 'jun')).toBeNull()
    })

    test('of all who want to renew it one may, until they are done', async () => {
      await accounts.put('crm', 'jun', bytes('old'))
      const tries = await Promise.all(
        Array.from({ length: 8 }, () => accounts.beginRenewal('crm', 'jun', minute)),
      )
      const [mine] = tries.filter((kept) => kept !== null)
      expect(tries.filter((kept) => kept === null)).toHaveLength(7)
      expect(await accounts.endRenewal('crm', 'jun', mine?.version ?? '', bytes('new'))).toBe(true)
      const now = await accounts.get('crm', 'jun')
      expect([text(now?.sealed), now?.version === mine?.version]).toEqual(['new', false])
      expect(await accounts.beginRenewal('crm', 'jun', minute)).not.toBeNull()
    })

    test('a renewal that was given up, or whose time is up, may be begun by another', async () => {
      await accounts.put('crm', 'jun', bytes('old'))
      const first = await accounts.beginRenewal('crm', 'jun', minute)
      await accounts.dropRenewal('crm', 'jun', first?.version ?? '')
      expect(await accounts.beginRenewal('crm', 'jun', 0)).not.toBeNull()
      expect(await accounts.beginRenewal('crm', 'jun', minute)).not.toBeNull()
      expect(await accounts.beginRenewal('crm', 'nobody', minute)).toBeNull()
    })

    test('what was replaced or removed meanwhile is not written over', async () => {
      await accounts.put('crm', 'jun', bytes('old'))
      const begun = await accounts.beginRenewal('crm', 'jun', minute)
      await accounts.put('crm', 'jun', bytes('connected anew'))
      expect(await accounts.endRenewal('crm', 'jun', begun?.version ?? '', bytes('renewed'))).toBe(false)
      expect(text((await accounts.get('crm', 'jun'))?.sealed)).toBe('connected anew')
      await accounts.remove('crm', 'jun')
      expect(await accounts.endRenewal('crm', 'jun', begun?.version ?? '', bytes('renewed'))).toBe(false)
    })

    test('an attempt is used once, and not when it is too old', async () => {
      const attempt = { server: 'crm', person: 'jun', sealed: bytes('verifier') }
      await accounts.addAttempt('state', attempt, minute)
      await accounts.addAttempt('old', attempt, 0)
      const uses = await Promise.all(Array.from({ length: 8 }, () => accounts.useAttempt('state')))
      const [used] = uses.filter((one) => one !== null)
      expect(uses.filter((one) => one === null)).toHaveLength(7)
      expect([used?.server, used?.person, text(used?.sealed)]).toEqual(['crm', 'jun', 'verifier'])
      expect([await accounts.useAttempt('old'), await accounts.useAttempt('unknown')]).toEqual([null, null])
    })

    test('whoever listens hears of changes', async () => {
      let heard = 0
      const stop = accounts.onChange(() => {
        heard += 1
      })
      await accounts.put('crm', 'jun', bytes('x'))
      await expect.poll(() => heard).toBeGreaterThan(0)
      stop()
    })
  })
}
