/** What charts of a kind have in common, apart from what differs between them: the former can be compiled before there is any data. */

/** A specification in Vega-Lite without what every chart has. Field names are ours; names from outside stand in data alone. */
export type ChartSpec = Readonly<Record<string, unknown>>

/** A value of a specification that differs from chart to chart of a kind: the bounds of a scale, a title. */
export class Given {
  readonly value: unknown
  constructor(value: unknown) {
    this.value = value
  }
}

/** Marks a value as one that differs. It may stand wherever Vega-Lite takes `{expr}`, and as width and height of the whole. */
export const given = (value: unknown) => new Given(value)

/** The colours of a scale, whose domain is given, too: a list of always `count`, since Vega-Lite takes no `{expr}` for it as a whole. */
export function givenColours(colours: readonly string[], count: number): Given[] {
  return Array.from({ length: count }, (_, index) => given(colours[index] ?? colours.at(-1)))
}

/** A specification with names in the place of what is given and of its data, and what these names stand for. */
export interface Outline {
  /** The specification as JSON. Charts with the same text are compiled to the same. */
  readonly text: string
  readonly signals: ReadonlyMap<string, unknown>
  readonly tables: ReadonlyMap<string, readonly unknown[]>
}

/** Takes a specification apart. A value given in several places is one signal; a size that is given is 100 in the text. */
export function outlineOf(spec: ChartSpec): Outline {
  const signals = new Map<string, unknown>()
  const tables = new Map<string, readonly unknown[]>()
  const names = new Map<Given, string>()
  const sizes: Record<string, unknown> = {}
  for (const size of ['width', 'height']) {
    const value = spec[size]
    if (!(value instanceof Given)) continue
    signals.set(size, value.value)
    sizes[size] = 100
  }

  function nameOf(value: Given): string {
    const known = names.get(value)
    if (known !== undefined) return known
    const name = `given${names.size}`
    names.set(value, name)
    signals.set(name, value.value)
    return name
  }

  function without(part: unknown): unknown {
    if (part instanceof Given) return { expr: nameOf(part) }
    if (Array.isArray(part)) return part.map(without)
    if (typeof part !== 'object' || part === null) return part
    return Object.fromEntries(
      Object.entries(part).map(([key, value]) => {
        if (key !== 'data') return [key, without(value)]
        const name = `table${tables.size}`
        tables.set(name, (value as { values: unknown[] }).values)
        return [key, { name }]
      }),
    )
  }

  const bare = without({ ...spec, ...sizes }) as ChartSpec
  const params = [...names.values()].map((name) => ({ name, value: null }))
  return { text: JSON.stringify(params.length === 0 ? bare : { ...bare, params }), signals, tables }
}
