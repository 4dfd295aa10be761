/** Reads what `/metrics` prints, strictly: anything that is not exposition text throws. */

interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface Exposition {
  /** Type of each metric family as declared. */
  readonly types: ReadonlyMap<string, string>
  readonly help: ReadonlySet<string>
  readonly samples: readonly Sample[]
  /** The value of the one sample with this name and these labels; undefined when there is none. */
  value(name: string, labels?: Readonly<Record<string, string>>): number | undefined
}

const sampleLine =
  /^([a-zA-Z_:][\w:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? (-?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|Inf)|\+Inf|NaN|Nan)(?: \d+)?$/

export function readExposition(text: string, format: 'text' | 'openmetrics'): Exposition {
  const types = new Map<string, string>()
  const help = new Set<string>()
  const samples: Sample[] = []
  if (!text.endsWith('\n')) throw new Error('the last line does not end')
  const lines = text.slice(0, -1).split('\n')
  if (format === 'openmetrics' && lines.pop() !== '# EOF') throw new Error('there is no # EOF')
  for (const line of lines) {
    const [, kind, name, rest] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? []
    if (kind === 'HELP') help.add(name!)
    else if (kind === 'TYPE') {
      if (types.has(name!)) throw new Error(`two families ${name}`)
      types.set(name!, rest!)
    } else if (line !== '' || format === 'openmetrics') samples.push(readSample(line))
  }
  const seen = new Set(samples.map(keyOf))
  if (seen.size !== samples.length) throw new Error('a series stands twice')
  return {
    types,
    help,
    samples,
    value: (name, labels = {}) => samples.find((sample) => keyOf(sample) === keyOf({ name, labels, value: 0 }))?.value,
  }
}

function readSample(line: string): Sample {
  const [, name, inner = '', value] = sampleLine.exec(line) ?? []
  if (!name || !value) throw new Error(`no sample: ${line}`)
  const labels = Object.fromEntries(
    [...inner.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, text]) => [key!, text!]),
  )
  return { name, labels, value: Number(value.replace('Inf', 'Infinity').replace('Nan', 'NaN')) }
}

const keyOf = ({ name, labels }: Sample) => JSON.stringify([name, Object.entries(labels).sort()])
