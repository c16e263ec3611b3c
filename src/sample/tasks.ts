/** To-dos in `tasks.json`. */
import { z } from 'zod'
import { page } from './page.ts'
import { samplePerson } from './people.ts'
import { type Dependencies, done, type Handlers, handler, refused } from './tool.ts'

const Task = z.object({
  taskId: z.string(),
  title: z.string(),
  content: z.string().optional(),
  dueDate: z.string().optional(),
  categoryId: z.string(),
  assigneeIds: z.array(z.string()),
  status: z.enum(['TODO', 'DONE']),
})

export function taskTools({ state, newId }: Dependencies): Handlers {
  const read = () => state.readList('tasks.json', Task)
  return {
    nworks_task_list: handler(
      ListArguments,
      ({ categoryId = 'default', status = 'ALL', count = 50, cursor }) => {
        const tasks = read().filter(
          (task) => task.categoryId === categoryId && (status === 'ALL' || task.status === status),
        )
        return done(`할 일 ${tasks.length}건입니다.`, page(tasks, Math.min(count, 100), cursor))
      },
    ),
    nworks_task_create: handler(CreateArguments, (args) => {
      const task = {
        ...args,
        taskId: newId('task'),
        categoryId: args.categoryId ?? 'default',
        assigneeIds: args.assigneeIds ?? [samplePerson.userId],
        status: 'TODO' as const,
      }
      state.writeList('tasks.json', [...read(), task])
      return done('할 일을 만들었습니다.', task)
    }),
    nworks_task_update: handler(UpdateArguments, ({ taskId, status, ...changes }) => {
      const tasks = read()
      const found = tasks.find((task) => task.taskId === taskId)
      if (found === undefined) return refused(noTask(taskId))
      const next = { done: 'DONE', todo: 'TODO' } as const
      const changed = { ...found, ...changes, status: status === undefined ? found.status : next[status] }
      state.writeList(
        'tasks.json',
        tasks.map((task) => (task === found ? changed : task)),
      )
      return done('할 일을 수정했습니다.', changed)
    }),
    nworks_task_delete: handler(DeleteArguments, ({ taskId }) => {
      const tasks = read()
      const kept = tasks.filter((task) => task.taskId !== taskId)
      if (kept.length === tasks.length) return refused(noTask(taskId))
      state.writeList('tasks.json', kept)
      return done('할 일을 삭제했습니다.', { taskId })
    }),
  }
}

const ListArguments = z.object({
  categoryId: z.string().optional(),
  status: z.enum(['TODO', 'ALL']).optional(),
  count: z.number().optional(),
  cursor: z.string().optional(),
})
const CreateArguments = Task.omit({ taskId: true, status: true }).partial({
  categoryId: true,
  assigneeIds: true,
})
const UpdateArguments = Task.pick({ title: true, content: true, dueDate: true })
  .partial()
  .extend({ taskId: z.string(), status: z.enum(['done', 'todo']).optional() })
const DeleteArguments = z.object({ taskId: z.string() })

const noTask = (taskId: string) => `할 일을 찾을 수 없습니다: ${taskId}`
