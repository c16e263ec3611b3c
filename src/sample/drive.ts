/**
 * Files below `drive/`. An id is the path from there. The real server reads and writes the caller's own disk for
 * `filePath` and `outputDir`; the sample reads those from `drive/` too and refuses whatever leads out of it.
 */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { basename, join, relative, sep } from 'node:path'
import { z } from 'zod'
import { inside } from './inside.ts'
import { page } from './page.ts'
import { type Answer, type Dependencies, done, type Handlers, handler, refused } from './tool.ts'

/** The limit of the real tool for content that is returned directly; here it holds for uploads as well. */
const FILE_BYTES_MAX = 5 * 1024 * 1024

export function driveTools({ state }: Dependencies): Handlers {
  const root = state.driveDir
  return {
    nworks_drive_list: handler(ListArguments, ({ folderId = '.', count = 20, cursor }) => {
      const folder = inside(root, folderId)
      if (folder === null) return refused(outside('folderId', folderId))
      if (kindOf(folder) !== 'folder') return refused(`폴더를 찾을 수 없습니다: ${folderId}`)
      const entries = readdirSync(folder).toSorted()
      const files = entries.map((name) => describe(root, join(folder, name)))
      return done(`파일과 폴더 ${files.length}개입니다.`, page(files, Math.min(count, 200), cursor))
    }),
    nworks_drive_upload: handler(UploadArguments, (args) => upload(root, args)),
    nworks_drive_download: handler(DownloadArguments, (args) => download(root, args)),
  }
}

const ListArguments = z.object({
  folderId: z.string().optional(),
  count: z.number().optional(),
  cursor: z.string().optional(),
})
const UploadArguments = z.object({
  content: z.string().optional(),
  fileName: z.string().optional(),
  filePath: z.string().optional(),
  folderId: z.string().default('.'),
  overwrite: z.boolean().default(false),
})
const DownloadArguments = z.object({
  fileId: z.string(),
  outputDir: z.string().optional(),
  outputName: z.string().optional(),
})

function upload(root: string, args: z.infer<typeof UploadArguments>): Answer {
  const { content, filePath, folderId, overwrite } = args
  const fileName = args.fileName ?? (filePath === undefined ? undefined : basename(filePath))
  if (fileName === undefined) return refused('content와 fileName, 또는 filePath를 지정해야 합니다.')
  const folder = inside(root, folderId)
  if (folder === null) return refused(outside('folderId', folderId))
  const source = filePath === undefined ? null : inside(root, filePath)
  if (filePath !== undefined && source === null) return refused(outside('filePath', filePath))
  if (content === undefined && (source === null || kindOf(source) !== 'file'))
    return refused(`업로드할 내용이 없습니다: filePath = ${filePath ?? '(없음)'}`)
  const bytes =
    source === null || content !== undefined ? Buffer.from(content ?? '', 'base64') : readFileSync(source)
  return save(root, folder, fileName, 'fileName', bytes, overwrite)
}

function download(root: string, args: z.infer<typeof DownloadArguments>): Answer {
  const file = inside(root, args.fileId)
  if (file === null) return refused(outside('fileId', args.fileId))
  if (kindOf(file) !== 'file') return refused(`파일을 찾을 수 없습니다: ${args.fileId}`)
  if (statSync(file).size > FILE_BYTES_MAX) return refused(tooLarge)
  const bytes = readFileSync(file)
  if (args.outputDir === undefined) {
    const text = bytes.toString('utf8')
    const isText = Buffer.from(text, 'utf8').equals(bytes)
    const content = isText ? { text } : { base64: bytes.toString('base64') }
    return done('파일 내용입니다.', { ...describe(root, file), ...content })
  }
  const folder = inside(root, args.outputDir)
  if (folder === null) return refused(outside('outputDir', args.outputDir))
  return save(root, folder, args.outputName ?? basename(file), 'outputName', bytes, false)
}

function save(
  root: string,
  folder: string,
  name: string,
  field: string,
  bytes: Buffer,
  overwrite: boolean,
): Answer {
  if (name === '' || name === '.' || name === '..' || /[\\/\0]/.test(name))
    return refused(outside(field, name))
  const target = inside(root, join(folder, name))
  if (target === null) return refused(outside(field, name))
  if (bytes.length > FILE_BYTES_MAX) return refused(tooLarge)
  const present = kindOf(target)
  if (present === 'folder' || (present === 'file' && !overwrite))
    return refused(`같은 이름의 파일이 있습니다: ${describe(root, target).fileId}`)
  mkdirSync(folder, { recursive: true })
  writeFileSync(target, bytes)
  return done('파일을 저장했습니다.', describe(root, target))
}

const outside = (field: string, path: string) =>
  `샘플의 drive/ 안에 있는 경로가 아닙니다 (not a path inside the sample's drive/): ${field} = ${path}`
const tooLarge = `파일이 너무 큽니다 (최대 ${FILE_BYTES_MAX} bytes).`

function kindOf(path: string): 'file' | 'folder' | 'absent' {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found === undefined) return 'absent'
  return found.isDirectory() ? 'folder' : 'file'
}

function describe(root: string, path: string) {
  const found = statSync(path, { throwIfNoEntry: false })
  const fileId = relative(root, path).split(sep).join('/')
  return { fileId, fileName: basename(path), fileSize: found?.size ?? 0, kind: kindOf(path) }
}
