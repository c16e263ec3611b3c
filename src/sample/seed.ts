/** What the first start finds: a person who is logged in, and enough around her to look at. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { logIn } from './account.ts'
import { samplePerson } from './people.ts'
import type { State } from './state.ts'

/** Fills a new state directory, and never touches one that has been filled: a logout must survive a restart. */
export function seed(state: State, nowMs: number): void {
  if (!state.isNew()) return
  const createdAt = new Date(nowMs).toISOString()
  const tomorrow = koreanDate(nowMs + DAY_MS)
  state.writeList('messages.json', [])
  state.writeList('calendar.json', [
    {
      eventId: 'evt-weekly',
      summary: '주간 회의',
      start: `${tomorrow}T10:00:00`,
      end: `${tomorrow}T11:00:00`,
      timeZone: 'Asia/Seoul',
      location: '3층 회의실',
    },
  ])
  state.writeList('tasks.json', [
    {
      taskId: 'task-report',
      title: '월간 보고서 정리',
      dueDate: koreanDate(nowMs + 7 * DAY_MS),
      categoryId: 'default',
      assigneeIds: [samplePerson.userId],
      status: 'TODO',
    },
  ])
  state.writeList('mail.json', [
    {
      mailId: 1,
      folderId: 0,
      from: 'bada.lee@example.com',
      to: samplePerson.email,
      subject: '내일 회의 자료',
      body: '회의 자료를 드라이브에 올려 두었습니다.',
      isUnread: true,
      receivedAt: createdAt,
    },
  ])
  state.writeList('board.json', [
    {
      boardId: 'board-notice',
      boardName: '공지사항',
      posts: [
        {
          postId: 'post-welcome',
          title: '샘플 게시판에 오신 것을 환영합니다',
          body: '이 게시판은 샘플입니다. 실제 NAVER WORKS와 연결되어 있지 않습니다.',
          writer: samplePerson.name,
          enableComment: true,
          createdAt,
        },
      ],
    },
  ])
  writeFileSync(join(state.driveDir, 'welcome.txt'), '샘플 드라이브입니다.\n')
  logIn(state, nowMs)
  state.markSeeded()
}

const DAY_MS = 24 * 60 * 60 * 1000
const KOREA_OFFSET_MS = 9 * 60 * 60 * 1000

const koreanDate = (timeMs: number) => new Date(timeMs + KOREA_OFFSET_MS).toISOString().slice(0, 10)
