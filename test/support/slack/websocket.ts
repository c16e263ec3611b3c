/** The server's side of RFC 6455, as much as Socket Mode needs: text, ping, pong and close, nothing compressed. */
import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'

export interface WebSocketConnection {
  send(text: string): void
  ping(): void
  /** A closing handshake. */
  close(code: number): void
  /** The wire is cut. */
  destroy(): void
}

/** Fixed by RFC 6455, section 1.3. */
const HANDSHAKE_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
/** More than any acknowledgement needs: a view has at most 250 KB. */
const FRAME_BYTES_MAX = 1_000_000
const TEXT = 0x1
const CLOSE = 0x8
const PING = 0x9
const PONG = 0xa

export function acceptWebSocket(
  request: IncomingMessage,
  socket: Duplex,
  on: { readonly text: (text: string) => void; readonly closed: () => void },
): WebSocketConnection {
  const accept = createHash('sha1')
    .update(`${request.headers['sec-websocket-key'] ?? ''}${HANDSHAKE_GUID}`)
    .digest('base64')
  socket.write(
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
  )
  let received = Buffer.alloc(0)
  let fragments: Buffer[] = []
  let isClosing = false

  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk])
    for (let frame = readFrame(received); frame !== null; frame = readFrame(received)) {
      received = received.subarray(frame.bytes)
      handle(frame)
    }
    if (received.length > FRAME_BYTES_MAX) socket.destroy()
  })
  // A reset by the peer is an ordinary end here; `close` follows.
  socket.on('error', () => socket.destroy())
  socket.on('close', on.closed)

  function handle({ opcode, isFinal, payload }: Frame): void {
    switch (opcode) {
      case CLOSE:
        if (!isClosing) write(CLOSE, payload.subarray(0, 2))
        socket.end()
        return
      case PING:
        write(PONG, payload)
        return
      case PONG:
        return
      default:
        fragments.push(payload)
        if (!isFinal) return
        on.text(Buffer.concat(fragments).toString('utf8'))
        fragments = []
    }
  }

  function write(opcode: number, payload: Buffer): void {
    if (socket.writable) socket.write(Buffer.concat([header(opcode, payload.length), payload]))
  }

  return {
    send: (text) => write(TEXT, Buffer.from(text)),
    ping: () => write(PING, Buffer.from('Ping from double')),
    close(code) {
      isClosing = true
      const payload = Buffer.alloc(2)
      payload.writeUInt16BE(code)
      write(CLOSE, payload)
    },
    destroy: () => socket.destroy(),
  }
}

interface Frame {
  readonly opcode: number
  readonly isFinal: boolean
  readonly payload: Buffer
  /** How long the frame was with its header. */
  readonly bytes: number
}

/** RFC 6455, section 5.2. `null`: not all of it is here yet. */
function readFrame(data: Buffer): Frame | null {
  if (data.length < 2) return null
  const first = data.readUInt8(0)
  const short = data.readUInt8(1) & 0x7f
  const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0
  const maskAt = 2 + lengthBytes
  const isMasked = (data.readUInt8(1) & 0x80) !== 0
  const payloadAt = maskAt + (isMasked ? 4 : 0)
  if (data.length < payloadAt) return null
  const length =
    lengthBytes === 0 ? short : lengthBytes === 2 ? data.readUInt16BE(2) : Number(data.readBigUInt64BE(2))
  if (data.length < payloadAt + length) return null
  const payload = Buffer.from(data.subarray(payloadAt, payloadAt + length))
  const mask = data.subarray(maskAt, payloadAt)
  if (isMasked)
    for (const [index, byte] of payload.entries()) payload[index] = byte ^ mask.readUInt8(index % 4)
  return { opcode: first & 0x0f, isFinal: (first & 0x80) !== 0, payload, bytes: payloadAt + length }
}

/** A server's frames are final and not masked. */
function header(opcode: number, length: number): Buffer {
  const bytes = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10)
  bytes.writeUInt8(0x80 | opcode, 0)
  if (bytes.length === 2) bytes.writeUInt8(length, 1)
  else bytes.writeUInt8(bytes.length === 4 ? 126 : 127, 1)
  if (bytes.length === 4) bytes.writeUInt16BE(length, 2)
  if (bytes.length === 10) bytes.writeBigUInt64BE(BigInt(length), 2)
  return bytes
}
