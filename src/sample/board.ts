/** Boards and their posts in `board.json`: one list of boards, each with its posts. */
import { z } from 'zod'
import { page } from './page.ts'
import { samplePerson } from './people.ts'
import { type Dependencies, done, type Handlers, handler, refused } from './tool.ts'

const Post = z.object({
  postId: z.string(),
  title: z.string(),
  body: z.string(),
  writer: z.string(),
  enableComment: z.boolean(),
  createdAt: z.string(),
})
const Board = z.object({ boardId: z.string(), boardName: z.string(), posts: z.array(Post) })

export function boardTools({ state, nowMs, newId }: Dependencies): Handlers {
  const read = () => state.readList('board.json', Board)
  const find = (boardId: string) => read().find((board) => board.boardId === boardId)
  return {
    nworks_board_list: handler(PageArguments, ({ count = 20, cursor }) => {
      const boards = read().map(({ boardId, boardName, posts }) => ({
        boardId,
        boardName,
        posts: posts.length,
      }))
      return done(`게시판 ${boards.length}개입니다.`, page(boards, count, cursor))
    }),
    nworks_board_posts: handler(PostsArguments, ({ boardId, count = 20, cursor }) => {
      const board = find(boardId)
      if (board === undefined) return refused(noBoard(boardId))
      const titles = board.posts.map(({ body: _body, ...title }) => title)
      return done(
        `${board.boardName}의 글 ${titles.length}건입니다.`,
        page(titles, Math.min(count, 40), cursor),
      )
    }),
    nworks_board_read: handler(ReadArguments, ({ boardId, postId }) => {
      const board = find(boardId)
      if (board === undefined) return refused(noBoard(boardId))
      const post = board.posts.find((candidate) => candidate.postId === postId)
      return post === undefined ? refused(`글을 찾을 수 없습니다: ${postId}`) : done('글 내용입니다.', post)
    }),
    nworks_board_create: handler(CreateArguments, ({ boardId, title, body = '', enableComment = true }) => {
      const boards = read()
      if (!boards.some((board) => board.boardId === boardId)) return refused(noBoard(boardId))
      const createdAt = new Date(nowMs()).toISOString()
      const post = { postId: newId('post'), title, body, writer: samplePerson.name, enableComment, createdAt }
      state.writeList(
        'board.json',
        boards.map((board) =>
          board.boardId === boardId ? { ...board, posts: [post, ...board.posts] } : board,
        ),
      )
      return done('글을 작성했습니다.', { boardId, ...post })
    }),
  }
}

const PageArguments = z.object({ count: z.number().optional(), cursor: z.string().optional() })
const PostsArguments = PageArguments.extend({ boardId: z.string() })
const ReadArguments = z.object({ boardId: z.string(), postId: z.string() })
const CreateArguments = z.object({
  boardId: z.string(),
  title: z.string(),
  body: z.string().optional(),
  enableComment: z.boolean().optional(),
})

const noBoard = (boardId: string) => `게시판을 찾을 수 없습니다: ${boardId}`
