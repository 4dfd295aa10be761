/** SVG to PNG. The only importer of resvg. */
import { createRequire } from 'node:module'
import { renderAsync } from '@resvg/resvg-js'
import { chartFont, light } from '../charts/index.ts'

/** Without a font file every text vanishes, and nothing says so. */
const require = createRequire(import.meta.url)
const fonts = ['DejaVuSans.ttf', 'DejaVuSans-Bold.ttf'].map((file) => require.resolve(`dejavu-fonts-ttf/ttf/${file}`))

/** The picture in twice its size, on white, with its own fonts and no others. It is painted outside of JavaScript. */
export async function rasterise(svg: string): Promise<Uint8Array> {
  const picture = await renderAsync(svg, {
    background: light.paper,
    fitTo: { mode: 'zoom', value: 2 },
    font: { loadSystemFonts: false, fontFiles: fonts, defaultFontFamily: chartFont },
  })
  return picture.asPng()
}
