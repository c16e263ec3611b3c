/** Mail in `mail.json`. Sending adds to the folder of sent mail; nothing leaves the machine. */
import { z } from 'zod'
import { page } from './page.ts'
import { samplePerson } from './people.ts'
import { type Dependencies, done, type Handlers, handler, refused } from './tool.ts'

const INBOX = 0
const SENT = 1

const Mail = z.object({
  mailId: z.number(),
  folderId: z.number(),
  from: z.string(),
  to: z.string(),
  cc: z.string().optional(),
  bcc: z.string().optional(),
  subject: z.string(),
  body: z.string(),
  isUnread: z.boolean(),
  receivedAt: z.string(),
})

export function mailTools({ state, nowMs }: Dependencies): Handlers {
  const read = () => state.readList('mail.json', Mail)
  return {
    nworks_mail_send: handler(SendArguments, ({ to, subject, body = '', cc, bcc }) => {
      const mails = read()
      const mail = {
        mailId: 1 + Math.max(0, ...mails.map(({ mailId }) => mailId)),
        folderId: SENT,
        from: samplePerson.email,
        to,
        cc,
        bcc,
        subject,
        body,
        isUnread: false,
        receivedAt: new Date(nowMs()).toISOString(),
      }
      state.writeList('mail.json', [...mails, mail])
      return done('메일 전송을 접수했습니다 (202).', { mailId: mail.mailId, to, cc, bcc, subject })
    }),
    nworks_mail_list: handler(ListArguments, ({ folderId = INBOX, count = 30, cursor, isUnread = false }) => {
      const mails = read().filter((mail) => mail.folderId === folderId && (!isUnread || mail.isUnread))
      const summaries = mails.map(({ body: _body, ...summary }) => summary)
      return done(`메일 ${mails.length}건입니다.`, page(summaries, Math.min(count, 200), cursor))
    }),
    nworks_mail_read: handler(ReadArguments, ({ mailId }) => {
      const mails = read()
      const found = mails.find((mail) => mail.mailId === mailId)
      if (found === undefined) return refused(`메일을 찾을 수 없습니다: ${mailId}`)
      const opened = { ...found, isUnread: false }
      state.writeList(
        'mail.json',
        mails.map((mail) => (mail === found ? opened : mail)),
      )
      return done('메일 내용입니다.', opened)
    }),
  }
}

const SendArguments = z.object({
  to: z.string(),
  subject: z.string(),
  body: z.string().optional(),
  cc: z.string().optional(),
  bcc: z.string().optional(),
})
const ListArguments = z.object({
  folderId: z.number().optional(),
  count: z.number().optional(),
  cursor: z.string().optional(),
  isUnread: z.boolean().optional(),
})
const ReadArguments = z.object({ mailId: z.number() })
