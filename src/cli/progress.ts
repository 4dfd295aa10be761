/** Shows on standard error how far work has come: a bar on a terminal, plain lines in a pipe. Never on standard output. */
import type { Stage } from '../work.ts'
import { count } from './text.ts'

/** Stages that people know by other words. */
const words: Readonly<Partial<Record<Stage, string>>> = { waiting: 'opening', judging: 'evaluating' }
const nameOf = (stage: Stage) => words[stage] ?? stage

const redrawMs = 100
const lineEveryMs = 5_000
const clearLine = '\r\x1b[K'

interface Screen {
  readonly write: (text: string) => void
  /** Columns of the terminal, asked for at each drawing; null where there is none. */
  readonly columns: () => number | null
  readonly color: boolean
}

export type ShownProgress = ReturnType<typeof createProgress>

/** `screen` null measures and shows nothing. `now` gives milliseconds from any fixed moment. */
export function createProgress(screen: Screen | null, now = (): number => performance.now()) {
  /** Stages that have ended, in order. */
  const stages: { stage: Stage; rows: number; seconds: number }[] = []
  let stage: Stage | null = null
  let total: number | null = null
  let rows = 0
  let started = 0
  let shownAt = 0
  let isDrawn = false

  const seconds = () => (now() - started) / 1000

  function show(): void {
    if (screen === null || stage === null) return
    const columns = screen.columns()
    if (now() - shownAt < (columns === null ? lineEveryMs : redrawMs)) return
    shownAt = now()
    if (columns === null) {
      screen.write(`${[nameOf(stage), ...facts(rows, total, seconds(), count)].join('  ')}\n`)
      return
    }
    const width = Math.max(8, Math.min(24, columns - 66))
    const told = facts(rows, total, seconds(), shortCount).join('  ')
    const shown = total ? bar(rows / total, width, screen.color) : ' '.repeat(width)
    screen.write(
      `${clearLine}${nameOf(stage).padEnd(11)} ${shown}  ${told.slice(0, Math.max(0, columns - width - 15))}`,
    )
    isDrawn = true
  }

  /** Ends the last stage; what is written to the terminal afterwards begins on a line of its own. */
  function end(): void {
    if (stage === null) return
    const took = seconds()
    stages.push({ stage, rows, seconds: took })
    if (isDrawn) screen?.write(clearLine)
    // Waiting that did not happen is not worth a line.
    if (rows > 0 || took > 0.05) {
      const speed = rows > 0 && took > 0 ? `  ${shortCount(rows / took)} rows/s` : ''
      screen?.write(
        `${nameOf(stage).padEnd(11)} ${rows > 0 ? `${count(rows)} rows in ` : ''}${took.toFixed(2)} s${speed}\n`,
      )
    }
    isDrawn = false
    stage = null
  }

  return {
    begin(next: Stage, all: number | null): void {
      end()
      stage = next
      total = all
      rows = 0
      started = now()
      // A bar is there at once, a line only when there is something to tell.
      shownAt = screen?.columns() == null ? started : Number.NEGATIVE_INFINITY
      show()
    },
    advance(more: number): void {
      rows += more
      show()
    },
    end,
    stages,
  }
}

function bar(share: number, width: number, color: boolean): string {
  const filled = Math.min(width, Math.floor(share * width))
  const [on, off] = color ? ['\x1b[36m', '\x1b[0m'] : ['', '']
  return `${on}${'█'.repeat(filled)}${off}${'░'.repeat(width - filled)}`
}

/** Share, rows, speed and time left, as far as they are known. */
function facts(rows: number, total: number | null, seconds: number, number: (value: number) => string): string[] {
  const rate = seconds > 0.2 ? rows / seconds : 0
  const told: string[] = []
  if (total)
    told.push(`${Math.min(100, Math.floor((rows / total) * 100))} %`, `${number(rows)} of ${number(total)} rows`)
  else if (rows > 0) told.push(`${number(rows)} rows`)
  if (rate > 0) told.push(`${shortCount(rate)} rows/s`)
  if (rate > 0 && total !== null && rows < total) told.push(`${clock((total - rows) / rate)} left`)
  return told
}

function shortCount(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)} M`
  return value >= 1e4 ? `${Math.round(value / 1e3)} k` : String(Math.round(value))
}

/** Seconds as 3:05 or 1:03:05. */
function clock(seconds: number): string {
  const whole = Math.ceil(seconds)
  const rest = new Date((whole % 3_600) * 1000).toISOString().slice(14, 19)
  return whole < 3_600 ? rest.replace(/^0/, '') : `${Math.floor(whole / 3_600)}:${rest}`
}
