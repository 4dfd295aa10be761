/** The style of the page: one constant text, so that a hash of it allows it and nothing else. */
import { createHash } from 'node:crypto'
import { type Colour, dark, light } from '../charts/index.ts'

const variables = (colours: Readonly<Record<Colour, string>>) =>
  Object.entries(colours)
    .map(([name, colour]) => `--${name}:${colour}`)
    .join(';')

/** Charts are drawn in the light colours; on a dark page each gets its twin. */
const darkCharts = (Object.keys(light) as Colour[])
  .flatMap((name) => [
    `svg [fill="${light[name]}"]{fill:${dark[name]}}`,
    `svg [stroke="${light[name]}"]{stroke:${dark[name]}}`,
  ])
  .join('')

export const pageStyle = `:root{color-scheme:light dark;${variables(light)}}
@media (prefers-color-scheme:dark){:root{${variables(dark)}}${darkCharts}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main,header,footer{max-width:1080px;margin:0 auto;padding:0 24px}
header{padding-top:36px}
h1{font-size:30px;line-height:1.2;margin:2px 0 6px;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{font-size:19px;line-height:1.3;margin:0 0 4px}
h3{font-size:14px;line-height:1.35;margin:0 0 2px;font-weight:600;overflow-wrap:anywhere}
p{margin:0 0 12px;max-width:72ch;overflow-wrap:anywhere}
section{margin:44px 0 0}
.kicker,.soft,figcaption,th,dt{color:var(--soft)}
.kicker{font-size:13px;margin:0}
.lead{font-size:18px;line-height:1.45;margin:18px 0 0}
.soft,figcaption{font-size:14px}
.flag{color:var(--flagged);font-weight:600}
dl{margin:0}
dd{margin:0;overflow-wrap:anywhere}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(132px,1fr));gap:1px;margin:26px 0 0;background:var(--faint);border:1px solid var(--faint);border-radius:8px;overflow:hidden}
.figures div{background:var(--paper);padding:12px 14px}
.figures dt{font-size:13px}
.figures dd{font-size:22px;line-height:1.25;font-variant-numeric:tabular-nums}
.facts{display:grid;grid-template-columns:minmax(120px,max-content) minmax(0,1fr);gap:6px 24px;font-size:15px}
figure{margin:14px 0 0}
svg{display:block;max-width:100%;height:auto}
svg text{font-family:inherit}
.narrow{display:none}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,380px),1fr));gap:44px 48px}
.pair section{margin:44px 0 0;min-width:0}
.beside{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,380px),1fr));gap:0 48px;align-items:start}
.beside>*{min-width:0}
.features{display:grid;grid-template-columns:repeat(auto-fill,minmax(226px,1fr));gap:30px 28px;margin:18px 0 0;padding:0;list-style:none}
.features li{min-width:0}
.features .soft{font-size:13px;line-height:1.4;margin:2px 0 0}
.key{display:inline-block;width:.75em;height:.75em;border-radius:2px;margin:0 .35em 0 0}
.k-usual{background:var(--usual)}.k-flagged{background:var(--flagged)}.k-band{background:var(--band);height:3px;border-radius:0;vertical-align:middle}
.scroll{overflow-x:auto;margin:14px 0 0;border:1px solid var(--faint);border-radius:8px}
.scroll:focus-visible{outline:2px solid var(--score);outline-offset:2px}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
th,td{padding:7px 12px;text-align:right;white-space:nowrap;vertical-align:baseline;border-top:1px solid var(--faint)}
thead th{border-top:0;font-weight:600;vertical-align:bottom}
thead th span{display:block;font-weight:400;font-size:12px}
thead bdi{display:inline-block;max-width:180px;overflow:hidden;text-overflow:ellipsis;vertical-align:bottom;color:var(--ink)}
tbody th{font-weight:400;color:var(--ink)}
tbody th.left{white-space:normal}
.left{text-align:left}
td.out{color:var(--flagged);font-weight:600}
.note{border-left:3px solid var(--usual);padding:2px 0 2px 14px;margin:18px 0 0;font-size:15px;max-width:72ch}
.note p{margin:0 0 4px}
ul.plain{margin:0;padding:0 0 0 18px;font-size:15px}
footer{padding:28px 24px 48px;margin-top:52px;font-size:13px;color:var(--soft)}
@media (max-width:640px){main,header,footer{padding-left:16px;padding-right:16px}header{padding-top:22px}h1{font-size:25px}.wide{display:none}.narrow{display:block}section,.pair section{margin-top:36px}.pair{gap:0}.figures{grid-template-columns:1fr 1fr}.figures div:last-child:nth-child(odd){grid-column:1/-1}.figures dd{font-size:19px}.facts{grid-template-columns:1fr;gap:0}.facts dd{margin:0 0 8px}th,td{padding:6px 9px}}
@media print{:root{color-scheme:light;${variables(light)}}body{font-size:11pt}section,figure,.features li,tr{break-inside:avoid}section.flow{break-inside:auto}h2{break-after:avoid}.scroll{overflow:visible;border:0}table{font-size:8pt}th,td{padding:3px 5px;white-space:normal}main,header,footer{max-width:none;padding-left:0;padding-right:0}}
`

const styleHash = createHash('sha256').update(pageStyle).digest('base64')

/** A page may do nothing in a browser but be shown. For its own head: frames cannot be refused from there. */
export const pagePolicy = `default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; form-action 'none'`
