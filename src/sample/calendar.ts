/** Calendar entries in `calendar.json`. A time without an offset is Korean time, as the real service assumes. */
import { z } from 'zod'
import { type Dependencies, done, type Handlers, handler, refused } from './tool.ts'

const CalendarEvent = z.object({
  eventId: z.string(),
  summary: z.string(),
  start: z.string(),
  end: z.string(),
  timeZone: z.string(),
  description: z.string().optional(),
  location: z.string().optional(),
  attendees: z.array(z.object({ email: z.string(), displayName: z.string().optional() })).optional(),
})

export function calendarTools({ state, newId }: Dependencies): Handlers {
  const read = () => state.readList('calendar.json', CalendarEvent)
  return {
    nworks_calendar_list: handler(ListArguments, ({ fromDateTime, untilDateTime }) => {
      const fromMs = koreanTimeMs(fromDateTime)
      const untilMs = koreanTimeMs(untilDateTime)
      if (Number.isNaN(fromMs)) return refused(noTime('fromDateTime', fromDateTime))
      if (Number.isNaN(untilMs)) return refused(noTime('untilDateTime', untilDateTime))
      const events = read().filter(
        ({ start, end }) => koreanTimeMs(start) < untilMs && koreanTimeMs(end) > fromMs,
      )
      return done(`일정 ${events.length}건입니다.`, events)
    }),
    nworks_calendar_create: handler(CreateArguments, (args) => {
      const event = { ...args, eventId: newId('evt'), timeZone: args.timeZone ?? 'Asia/Seoul' }
      const problem = timeProblem(event)
      if (problem !== null) return refused(problem)
      state.writeList('calendar.json', [...read(), event])
      return done('일정을 만들었습니다.', event)
    }),
    nworks_calendar_update: handler(UpdateArguments, ({ eventId, ...changes }) => {
      const events = read()
      const found = events.find((event) => event.eventId === eventId)
      if (found === undefined) return refused(noEvent(eventId))
      const changed = CalendarEvent.parse({ ...found, ...changes })
      const problem = timeProblem(changed)
      if (problem !== null) return refused(problem)
      state.writeList(
        'calendar.json',
        events.map((event) => (event === found ? changed : event)),
      )
      return done('일정을 수정했습니다.', changed)
    }),
    nworks_calendar_delete: handler(DeleteArguments, ({ eventId }) => {
      const events = read()
      const kept = events.filter((event) => event.eventId !== eventId)
      if (kept.length === events.length) return refused(noEvent(eventId))
      state.writeList('calendar.json', kept)
      return done('일정을 삭제했습니다.', { eventId })
    }),
  }
}

const ListArguments = z.object({ fromDateTime: z.string(), untilDateTime: z.string() })
const CreateArguments = CalendarEvent.omit({ eventId: true }).partial({ timeZone: true })
const UpdateArguments = CalendarEvent.omit({ attendees: true }).partial().required({ eventId: true })
const DeleteArguments = z.object({ eventId: z.string() })

const noEvent = (eventId: string) => `일정을 찾을 수 없습니다: ${eventId}`
const noTime = (field: string, value: string) => `일시를 읽을 수 없습니다: ${field} = ${value}`

function timeProblem({ start, end }: { start: string; end: string }): string | null {
  const startMs = koreanTimeMs(start)
  const endMs = koreanTimeMs(end)
  if (Number.isNaN(startMs)) return noTime('start', start)
  if (Number.isNaN(endMs)) return noTime('end', end)
  return endMs < startMs ? '종료 일시(end)가 시작 일시(start)보다 빠릅니다.' : null
}

function koreanTimeMs(text: string): number {
  const hasOffset = /(Z|[+-]\d\d:?\d\d)$/i.test(text.slice(10))
  return Date.parse(hasOffset ? text : `${text}+09:00`)
}
