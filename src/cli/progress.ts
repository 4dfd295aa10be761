/** Shows on standard error how far work has come: a bar on a terminal, plain lines in a pipe. Never on standard output. */
import type { Progress, Stage } from '../work.ts'

const names: Readonly<Record<Stage, string>> = {
  waiting: 'opening',
  opening: 'opening',
  sampling: 'sampling',
  fitting: 'fitting',
  scoring: 'scoring',
  writing: 'writing',
  judging: 'evaluating',
  reporting: 'reporting',
}

const redrawMs = 100
const lineEveryMs = 5_000

export interface ProgressOptions {
  readonly write: (text: string) => void
  /** Columns of the terminal, asked for at each drawing; null where there is none. */
  readonly columns: () => number | null
  readonly color: boolean
  /** Milliseconds from any fixed moment. */
  readonly now: () => number
}

/** Seconds and rows of each stage that was gone through, in order. */
interface StageTime {
  readonly stage: Stage
  readonly rows: number
  readonly seconds: number
}

export interface ShownProgress extends Progress {
  /** Ends the last stage; what is written to the terminal afterwards begins on a line of its own. */
  end(): void
  /** Stages that have ended. */
  readonly stages: readonly StageTime[]
}

/** `options` null measures and shows nothing. */
export function createProgress(
  options: ProgressOptions | null,
  now: () => number = () => performance.now(),
): ShownProgress {
  const stages: StageTime[] = []
  let stage: Stage | null = null
  let total: number | null = null
  let rows = 0
  let started = 0
  let shownAt = 0
  let isDrawn = false

  const seconds = () => (now() - started) / 1000
  const isTerminal = () => options !== null && options.columns() !== null

  function show(): void {
    if (options === null || stage === null) return
    const time = now()
    if (time - shownAt < (isTerminal() ? redrawMs : lineEveryMs)) return
    shownAt = time
    const columns = options.columns()
    if (columns === null) options.write(`${describe()}\n`)
    else {
      options.write(
        `\r\x1b[K${bar(barWidth(columns), options.color)}${cut(describe(), columns - barWidth(columns) - 15)}`,
      )
      isDrawn = true
    }
  }

  function bar(width: number, color: boolean): string {
    const head = names[stage!].padEnd(11)
    if (total === null || total === 0) return `${head} ${' '.repeat(width)} `
    const filled = Math.min(width, Math.floor((rows / total) * width))
    const [on, off] = color ? ['\x1b[36m', '\x1b[0m'] : ['', '']
    return `${head} ${on}${'█'.repeat(filled)}${off}${'░'.repeat(width - filled)}  `
  }

  function describe(): string {
    const elapsed = seconds()
    const rate = elapsed > 0.2 ? rows / elapsed : 0
    const parts: string[] = isTerminal() ? [] : [names[stage!]]
    const number = isTerminal() ? shortCount : count
    if (total !== null && total > 0) {
      parts.push(`${Math.min(100, Math.floor((rows / total) * 100))} %`, `${number(rows)} of ${number(total)} rows`)
    } else if (rows > 0) parts.push(`${number(rows)} rows`)
    if (rate > 0 && rows > 0) parts.push(`${shortCount(rate)} rows/s`)
    if (rate > 0 && total !== null && rows > 0 && rows < total) parts.push(`${clock((total - rows) / rate)} left`)
    return parts.join('  ')
  }

  /** What remains of a stage when it is over. */
  function finish(): void {
    if (stage === null) return
    const took = seconds()
    stages.push({ stage, rows, seconds: took })
    // Waiting that did not happen is not worth a line.
    if (options !== null && (rows > 0 || took > 0.05)) {
      const speed = rows > 0 && took > 0 ? `  ${shortCount(rows / took)} rows/s` : ''
      const line = `${names[stage].padEnd(11)} ${rows > 0 ? `${count(rows)} rows in ` : ''}${took.toFixed(2)} s${speed}`
      options.write(`${isDrawn ? '\r\x1b[K' : ''}${line}\n`)
    } else if (isDrawn) options?.write('\r\x1b[K')
    isDrawn = false
    stage = null
  }

  return {
    begin(next, all) {
      finish()
      stage = next
      total = all
      rows = 0
      started = now()
      shownAt = isTerminal() ? 0 : started
      show()
    },
    advance(more) {
      rows += more
      show()
    },
    end: finish,
    stages,
  }
}

/** What the words leave of a line. */
const barWidth = (columns: number) => Math.max(8, Math.min(24, columns - 66))

const cut = (text: string, length: number) => (text.length > length ? text.slice(0, Math.max(0, length)) : text)

/** 1234567 as 1,234,567. */
export const count = (value: number): string => String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ',')

function shortCount(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)} M`
  return value >= 1e4 ? `${Math.round(value / 1e3)} k` : String(Math.round(value))
}

function clock(seconds: number): string {
  const whole = Math.ceil(seconds)
  const [minutes, rest] = [Math.floor(whole / 60), String(whole % 60).padStart(2, '0')]
  return minutes < 60
    ? `${minutes}:${rest}`
    : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, '0')}:${rest}`
}
