/** Hours of the week: midnight, days, zones, and the two nights of the year on which clocks are moved. */
import { describe, expect, test } from 'vitest'
import {
  isWithin,
  isZone,
  minutesOf,
  type TimeWindow,
  weekdays,
} from '../../src/domain/policy/time-window.ts'

const at = (zone: string, from: string, to: string, days: TimeWindow['days'] = weekdays): TimeWindow => ({
  zone,
  days,
  from: minutesOf(from) ?? -1,
  to: minutesOf(to) ?? -1,
})

describe('a window', () => {
  test.each([
    // Monday, 23 November 2026, in Seoul, which is nine hours ahead.
    [at('Asia/Seoul', '09:00', '18:00'), '2026-11-22T23:59:59.999Z', false],
    [at('Asia/Seoul', '09:00', '18:00'), '2026-11-23T00:00:00Z', true],
    [at('Asia/Seoul', '09:00', '18:00'), '2026-11-23T08:59:59.999Z', true],
    [at('Asia/Seoul', '09:00', '18:00'), '2026-11-23T09:00:00Z', false],
    [at('Asia/Seoul', '09:00', '18:00', ['mon']), '2026-11-23T03:00:00Z', true],
    [at('Asia/Seoul', '09:00', '18:00', ['sun']), '2026-11-23T03:00:00Z', false],
    // It is still Sunday in UTC.
    [at('Asia/Seoul', '00:00', '24:00', ['mon']), '2026-11-22T15:00:00Z', true],
    [at('UTC', '00:00', '24:00', ['mon']), '2026-11-22T15:00:00Z', false],
    // Past midnight it belongs to the day on which it began.
    [at('UTC', '22:00', '06:00', ['sun']), '2026-11-23T05:59:00Z', true],
    [at('UTC', '22:00', '06:00', ['sun']), '2026-11-23T06:00:00Z', false],
    [at('UTC', '22:00', '06:00', ['mon']), '2026-11-23T05:59:00Z', false],
    [at('UTC', '22:00', '06:00', ['mon']), '2026-11-23T22:00:00Z', true],
  ])('%j at %s: %j', (window, instant, inside) => {
    expect(isWithin(window, Date.parse(instant))).toBe(inside)
  })

  test('in New York the hour from 2 to 3 is missing on 8 March 2026: no instant is inside', () => {
    const window = at('America/New_York', '02:00', '03:00')
    for (let minute = 0; minute < 24 * 60; minute += 10) {
      expect(isWithin(window, Date.parse('2026-03-08T05:00:00Z') + minute * 60_000)).toBe(false)
    }
  })

  test('the hour from 1 to 2 comes twice on 1 November 2026, and both are inside', () => {
    const window = at('America/New_York', '01:00', '02:00')
    const inside = Array.from({ length: 24 }, (_, hour) => hour).filter(
      (hour) => isWithin(window, Date.parse('2026-11-01T04:30:00Z') + hour * 3_600_000) === true,
    )
    expect(inside).toEqual([1, 2])
  })

  test('a zone that this machine does not know is unknown, not outside', () => {
    expect(isWithin(at('Mars/Olympus', '09:00', '18:00'), 0)).toBeNull()
  })
})

test.each([
  ['09:30', 570],
  ['00:00', 0],
  ['24:00', 1_440],
  ['24:01', null],
  ['9:30', null],
  ['12:60', null],
  ['noon', null],
])('%s is %j', (text, minutes) => expect(minutesOf(text)).toBe(minutes))

test.each([
  ['Asia/Seoul', true],
  ['UTC', true],
  ['America/Argentina/Buenos_Aires', true],
  ['+09:00', false],
  ['Asia/Soul', false],
  ['__proto__', false],
  ['', false],
])('%j is a zone: %j', (zone, known) => expect(isZone(zone)).toBe(known))
