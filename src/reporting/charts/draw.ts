/** Vega-Lite in, SVG text out, by Vega. Nothing is loaded, no name is part of an expression. */
import * as vega from 'vega'
import { compile, type TopLevelSpec } from 'vega-lite'
import { type ChartSpec, outlineOf } from './outline.ts'
import { light } from './palette.ts'
import { escapeText } from './text.ts'

/** A chart: its specification, and what it shows in words for those who cannot see it. */
export interface Chart {
  readonly title: string
  readonly description: string
  readonly spec: ChartSpec
}

export const chartFont = 'DejaVu Sans'

/** Sizes are those of the finished picture in CSS pixels. */
const config = {
  font: chartFont,
  background: null,
  view: { stroke: null },
  aria: false,
  axis: {
    labelColor: light.soft,
    titleColor: light.soft,
    titleFontWeight: 'normal',
    titleFontSize: 11,
    labelFontSize: 11,
    domainColor: light.faint,
    tickColor: light.faint,
    gridColor: light.faint,
    labelOverlap: 'greedy',
    tickSize: 4,
    labelPadding: 4,
  },
  legend: {
    labelColor: light.soft,
    labelFontSize: 11,
    symbolSize: 70,
    symbolStrokeWidth: 0,
    titleFontSize: 11,
    titleColor: light.soft,
    titleFontWeight: 'normal',
    columnPadding: 14,
    padding: 0,
    offset: 8,
  },
  title: {
    color: light.ink,
    fontSize: 15,
    fontWeight: 'bold',
    anchor: 'start',
    subtitleColor: light.soft,
    subtitleFontSize: 12,
    subtitlePadding: 6,
    offset: 14,
  },
  text: { color: light.ink, fontSize: 11 },
}

// Without a canvas Vega takes every character for 0.8 of its height wide, which leaves gaps everywhere.
const { textMetrics } = vega as unknown as {
  textMetrics: { width: (item: { fontSize?: number }, text: unknown) => number }
}
textMetrics.width = (item, text) =>
  [...String(text ?? '')].reduce((sum, character) => sum + widthOf(character), 0) * (item.fontSize ?? 11)

/** Width of a character of DejaVu Sans in parts of the font size, near enough for placing labels. */
function widthOf(character: string): number {
  if ("iljtfI.,:;|!'()[] ".includes(character)) return 0.36
  if ('mwMW@%—…'.includes(character)) return 0.92
  if (character >= '0' && character <= '9') return 0.64
  return character.codePointAt(0)! < 0x2e80 ? 0.61 : 1.05
}

/** Draws one chart. The same specification gives the same text. `id` makes the references within a page unique. */
export async function drawChart(chart: Chart, id: string): Promise<string> {
  const outline = outlineOf({ ...chart.spec, config, padding: chart.spec['padding'] ?? 2 })
  const view = new vega.View(runtimeOf(outline.text), { renderer: 'none', loader: refusing })
  try {
    view.logLevel(vega.Error)
    for (const [name, value] of outline.signals) view.signal(name, value)
    for (const [name, rows] of outline.tables) view.data(name, [...rows])
    return finish(await view.toSVG(), chart.title, chart.description, id)
  } finally {
    view.finalize()
  }
}

/** Charts of a kind are compiled once: that takes longer than drawing. */
const compiled = new Map<string, vega.Runtime>()
const maxCompiled = 32

function runtimeOf(outline: string): vega.Runtime {
  const found = compiled.get(outline)
  if (found !== undefined) return found
  const runtime = vega.parse(compile(JSON.parse(outline) as TopLevelSpec, { logger: silent }).spec)
  if (compiled.size === maxCompiled) compiled.clear()
  compiled.set(outline, runtime)
  return runtime
}

/** Layers that share a scale each name its domain, which Vega-Lite remarks upon. */
const silent: vega.LoggerInterface = {
  level: () => silent as never,
  error: (...words) => {
    throw new Error(words.join(' '))
  },
  warn: () => silent,
  info: () => silent,
  debug: () => silent,
}

/** Nothing outside of a specification is ever read. */
const refusing = {
  load: () => Promise.reject(new Error('a chart loads nothing')),
  sanitize: () => Promise.reject(new Error('a chart links to nothing')),
  http: () => Promise.reject(new Error('a chart loads nothing')),
  file: () => Promise.reject(new Error('a chart loads nothing')),
  options: {},
  fileAccess: false,
} as unknown as vega.Loader

/** Puts words in for those who cannot see, and takes attributes out that say nothing. Only tags are touched: they hold no text from outside. */
function finish(svg: string, title: string, description: string, id: string): string {
  // Vega counts its clips through all charts of a process: here each chart counts its own.
  const clips = new Map<string, string>()
  const clip = (name: string) => {
    if (!clips.has(name)) clips.set(name, `${id}-c${clips.size}`)
    return clips.get(name)!
  }
  const words = `<title id="${id}-t">${escapeText(title)}</title><desc id="${id}-d">${escapeText(description)}</desc>`
  return svg
    .replaceAll(/<text [^>]*opacity="0"[^>]*>[^<]*<\/text>/g, '')
    .replaceAll(/<path class="(?:background|foreground)"[^>]*d="(?:M0,0h0v0h0Z)?"[^>]*\/>/g, '')
    .replaceAll(/<[a-z][^>]*>/g, (tag) =>
      tag
        .replaceAll(/ (?:aria-hidden|pointer-events|aria-roledescription|role|class)="[^"]*"/g, '')
        .replaceAll(' opacity="1"', '')
        .replaceAll(/(?<= id="|url\(#)clip\d+/g, clip)
        .replaceAll(/(\d\.\d{2})\d+/g, '$1'),
    )
    .replace(
      /<svg ([^>]*)>/,
      (_, attributes: string) => `<svg ${attributes} role="img" aria-labelledby="${id}-t ${id}-d">${words}`,
    )
}
