/** Messages of the bot, and who can receive them. A sent message is one more line of `messages.json`. */
import { z } from 'zod'
import { channels, directory } from './people.ts'
import { type Dependencies, done, type Handlers, handler, refused } from './tool.ts'

const Message = z.object({
  messageId: z.string(),
  to: z.string().optional(),
  channel: z.string().optional(),
  text: z.string(),
  type: z.string(),
  sentAt: z.string(),
})

export function messageTools({ state, nowMs, newId }: Dependencies): Handlers {
  return {
    nworks_message_send: handler(SendArguments, ({ to, channel, text, type = 'text' }) => {
      if ((to === undefined) === (channel === undefined))
        return refused('to와 channel 중 하나만 지정해야 합니다.')
      if (to !== undefined && !directory.some(({ userId }) => userId === to))
        return refused(`수신자를 찾을 수 없습니다: ${to}`)
      if (channel !== undefined && !channels.has(channel)) return refused(noChannel(channel))
      const sentAt = new Date(nowMs()).toISOString()
      const message = { messageId: newId('msg'), to, channel, text, type, sentAt }
      state.writeList('messages.json', [...state.readList('messages.json', Message), message])
      return done('메시지를 전송했습니다.', message)
    }),
    nworks_message_members: handler(MembersArguments, ({ channel }) => {
      const members = channels.get(channel)
      return members === undefined
        ? refused(noChannel(channel))
        : done('채널 구성원입니다.', { channel, members })
    }),
    nworks_directory_members: handler(z.object({}), () => done('구성원 목록입니다.', directory)),
  }
}

const SendArguments = z.object({
  to: z.string().optional(),
  channel: z.string().optional(),
  text: z.string(),
  type: z.string().optional(),
})
const MembersArguments = z.object({ channel: z.string() })

const noChannel = (channel: string) =>
  `채널을 찾을 수 없습니다: ${channel} (샘플 채널: ${[...channels.keys()].join(', ')})`
