/** Facts in, the bytes of a report out: the page, or the chart alone. Same facts, same bytes. The only importer of resvg. */
import { createRequire } from 'node:module'
import type { ReportFacts, ReportFormat } from '../../schemas/index.ts'
import { anomalyChart, chartFont, type Distribution, drawChart, light } from '../charts/index.ts'
import { page } from './page.ts'

export async function renderReport(facts: ReportFacts, format: ReportFormat): Promise<Uint8Array> {
  const distribution = distributionOf(facts)
  if (format === 'html') return Buffer.from(await page(facts, distribution))
  const svg = await drawChart(anomalyChart(facts, distribution), 'chart')
  if (format === 'svg') return Buffer.from(svg)
  return rasterise(svg)
}

/** The picture in twice its size, on white, with its own fonts and no others. It is painted outside of JavaScript. */
async function rasterise(svg: string): Promise<Uint8Array> {
  const { renderAsync } = await import('@resvg/resvg-js')
  // Without a font file every text vanishes, and nothing says so.
  const { resolve } = createRequire(import.meta.url)
  const fontFiles = ['DejaVuSans.ttf', 'DejaVuSans-Bold.ttf'].map((file) => resolve(`dejavu-fonts-ttf/ttf/${file}`))
  const picture = await renderAsync(svg, {
    background: light.paper,
    fitTo: { mode: 'zoom', value: 2 },
    font: { loadSystemFonts: false, fontFiles, defaultFontFamily: chartFont },
  })
  return picture.asPng()
}

/** The scores as they were counted, or as the version document remembers them. */
function distributionOf({ aggregate, document }: ReportFacts): Distribution {
  if (aggregate !== null) {
    const { scores, threshold, flagged, rows } = aggregate
    return { bars: scores, threshold, flagged, rows }
  }
  const { value: threshold, flaggedRows } = document.threshold
  const { bins, counts } = document.scores
  const bars = counts.flatMap((rows, bin) => {
    const [from, to] = [bin / bins, (bin + 1) / bins]
    // The bin that the threshold lies in holds both kinds; it is drawn as what most of it is.
    return rows === 0 ? [] : [{ from, to, rows, flagged: (from + to) / 2 > threshold }]
  })
  return { bars, threshold, flagged: flaggedRows, rows: document.training.rowsUsed }
}
