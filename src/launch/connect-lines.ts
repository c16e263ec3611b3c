/** The exact lines that point clients at a server through the gateway. */

export interface ConnectLine {
  readonly client: string
  readonly line: string
}

/** @param token `null` where no token is needed */
export function connectLines(name: string, url: string, token: string | null): readonly ConnectLine[] {
  const headers = token === null ? {} : { headers: { Authorization: `Bearer ${token}` } }
  const option = token === null ? '' : ` --header "Authorization: Bearer ${token}"`
  const cursor = { mcpServers: { [name]: { url, ...headers } } }
  return [
    { client: 'Claude Code', line: `claude mcp add --transport http ${name} ${url}${option}` },
    { client: 'Cursor', line: `.cursor/mcp.json: ${JSON.stringify(cursor)}` },
    {
      client: 'VS Code',
      line: `code --add-mcp '${JSON.stringify({ name, type: 'http', url, ...headers })}'`,
    },
  ]
}
