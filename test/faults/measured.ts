/** Figures for README.md: tests print them, and judge only that nothing hangs. */

export function measured(what: string, figures: Record<string, number>): void {
  const words = Object.entries(figures).map(([name, value]) => `${name} ${Math.round(value)}`)
  process.stdout.write(`measured: ${what}: ${words.join(', ')}\n`)
}
