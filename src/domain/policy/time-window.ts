/**
 * Hours of the week in an IANA zone. Wall-clock time decides: where clocks go forward the missing hour is in no window, and
 * where they go back the repeated hour is in its window both times.
 */

export const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const
export type Weekday = (typeof weekdays)[number]

export interface TimeWindow {
  readonly zone: string
  /** Days on which the window begins; one that passes midnight belongs to the day before. */
  readonly days: readonly Weekday[]
  /** Minutes since midnight. `to` is not part of the window; where it is not later than `from`, it is on the next day. */
  readonly from: number
  readonly to: number
}

const dayNumbers = new Map<string, number>(weekdays.map((day, index) => [day, index]))
const MINUTES_OF_DAY = 24 * 60

/** Minutes since midnight, `null` for what is no time of day. `24:00` is the end of a day. */
export function minutesOf(time: string): number | null {
  const match = /^(\d{2}):(\d{2})$/.exec(time)
  const [, hours = '', minutes = ''] = match ?? []
  const total = Number(hours) * 60 + Number(minutes)
  return match === null || Number(minutes) > 59 || total > MINUTES_OF_DAY ? null : total
}

export function timeOf(minutes: number): string {
  const two = (value: number) => String(value).padStart(2, '0')
  return `${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`
}

/** Names like `Asia/Seoul` and `UTC`; offsets are no zones, because they know no summer time. */
export function isZone(zone: string): boolean {
  return /^[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+)*$/.test(zone) && formatterOf(zone) !== null
}

/** One for each zone, because making one takes longer than a thousand calls of it. There are some 600 zones. */
const formatters = new Map<string, Intl.DateTimeFormat>()

function formatterOf(zone: string): Intl.DateTimeFormat | null {
  const known = formatters.get(zone)
  if (known !== undefined) return known
  try {
    const formatter = new Intl.DateTimeFormat('en-GB', {
      timeZone: zone,
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    })
    formatters.set(zone, formatter)
    return formatter
  } catch {
    return null
  }
}

/** `null`: this machine does not know the zone. */
export function isWithin({ zone, days, from, to }: TimeWindow, nowMs: number): boolean | null {
  const parts = formatterOf(zone)?.formatToParts(nowMs)
  if (parts === undefined) return null
  const part = (type: Intl.DateTimeFormatPartTypes) => parts.find((each) => each.type === type)?.value ?? ''
  const today = dayNumbers.get(part('weekday').toLowerCase())
  const minute = Number(part('hour')) * 60 + Number(part('minute'))
  if (today === undefined || !Number.isInteger(minute)) return null
  return isWithinWeek({ days, from, to }, today * MINUTES_OF_DAY + minute)
}

export const MINUTES_OF_WEEK = 7 * MINUTES_OF_DAY

/** @param minuteOfWeek by the clock on the wall, since Monday began */
export function isWithinWeek(
  { days, from, to }: Pick<TimeWindow, 'days' | 'from' | 'to'>,
  minuteOfWeek: number,
): boolean {
  const [today, minute] = [Math.floor(minuteOfWeek / MINUTES_OF_DAY), minuteOfWeek % MINUTES_OF_DAY]
  const isOn = (index: number) => days.some((day) => day === weekdays[(index + 7) % 7])
  if (from < to) return isOn(today) && minute >= from && minute < to
  return (isOn(today) && minute >= from) || (isOn(today - 1) && minute < to)
}
