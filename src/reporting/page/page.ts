/** The page: one HTML text with its pictures in it. Nothing is fetched, nothing runs. */
import type { ReportAggregate, ReportFacts } from '../../schemas/index.ts'
import {
  bucketWords,
  type Chart,
  type Distribution,
  drawChart,
  escapeText,
  flagHours,
  formatCount,
  formatScore,
  formatShare,
  formatTime,
  hasLabelled,
  isSpread,
  plural,
  precisionRecall,
  scoreCourse,
  scoreDistribution,
  shownName,
} from '../charts/index.ts'
import { featureList, flaggedEntities, judgement, topRows, trainingFacts } from '../sections/index.ts'
import { pagePolicy, pageStyle } from './style.ts'

/** Inner widths of the page on a phone and on a desk, and of half a desk, in pixels. */
const phone = 328
const desk = 1032
const halfDesk = 490

/** Draws a chart for phones and for desks; the page's style shows one of the two. */
type Figure = (name: string, chart: (width: number) => Chart, width?: number) => Promise<string>

export async function page(facts: ReportFacts, distribution: Distribution): Promise<string> {
  const { aggregate, document } = facts
  const figure: Figure = async (name, chart, width = desk) => {
    const [wide, narrow] = [chart(width), chart(phone)]
    return `<figure><div class="wide">${await drawChart(wide, name)}</div><div class="narrow">${await drawChart(narrow, `${name}-n`)}</div></figure>`
  }
  const sections = [
    aggregate && aggregate.course.stretches.length > 0 ? await course(facts, aggregate, figure) : '',
    aggregate && aggregate.top.length > 0 ? topRows(facts, aggregate) : '',
    `<div class="pair">${[await distributionSection(distribution, figure), aggregate ? await hours(facts, aggregate, figure) : ''].join('')}</div>`,
    aggregate ? await entities(aggregate, figure) : '',
    aggregate ? await labels(facts, aggregate, figure) : '',
    await featureList(facts),
    trainingFacts(facts),
  ]
  const title = `${document.model}@${document.version} · ${facts.subject === 'version' ? 'training report' : 'anomaly report'}`
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${pagePolicy}">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${escapeText(title)}</title>
<style>${pageStyle}</style>
</head>
<body>
${head(facts, distribution)}
<main>
${sections.filter((section) => section !== '' && section !== '<div class="pair"></div>').join('\n')}
</main>
<footer>DeepWatch ${escapeText(document.software)} · model version of ${escapeText(document.createdAt)}</footer>
</body>
</html>
`
}

function head(facts: ReportFacts, { rows, flagged, threshold }: Distribution): string {
  const { aggregate, document, subject, zone } = facts
  const { timeZone } = document.timeContext
  const span =
    aggregate?.from == null
      ? ''
      : `${formatTime(aggregate.from, zone)} to ${formatTime(aggregate.to!, zone)} (${escapeText(timeZone)})`
  const origin = [sourceName(facts), span].filter((part) => part !== '').join(' · ')
  const unscored = aggregate?.unscored ?? 0
  const scored = rows - unscored
  const highest = aggregate?.top[0]?.score
  /** What is null is not shown. */
  const figures: [string, string | null][] = [
    ['rows', formatCount(rows)],
    ['flagged', flagged === 0 ? '0' : `<span class="flag">${formatCount(flagged)}</span>`],
    ['share flagged', scored === 0 ? 'none' : formatShare(flagged / scored)],
    ['threshold', formatScore(threshold)],
    ['highest score', highest === undefined ? null : formatScore(highest)],
    ['without a score', unscored > 0 ? formatCount(unscored) : null],
  ]
  const shown = figures.flatMap(([name, value]) => {
    return value === null ? [] : `<div><dt>${name}</dt><dd>${value}</dd></div>`
  })
  const trained = document.threshold.flaggedShare
  const lead =
    subject === 'version'
      ? `${flagged === 0 ? 'No row' : plural(flagged, 'row')} of the training telemetry ${flagged === 1 || flagged === 0 ? 'lies' : 'lie'} above the threshold.`
      : flagged === 0
        ? `No row lies above the threshold; in training ${formatShare(trained)} did.`
        : `${plural(flagged, 'row')} of ${formatCount(rows)} ${flagged === 1 ? 'lies' : 'lie'} above the threshold: ${formatShare(flagged / Math.max(1, scored))}, where training had ${formatShare(trained)}.`
  const notes =
    facts.gaps.length === 0
      ? ''
      : `<div class="note">${facts.gaps.map((gap) => `<p>${escapeText(gap)}</p>`).join('')}</div>`
  return `<header>
<p class="kicker">${subject === 'version' ? 'Training report' : 'Anomaly report'}</p>
<h1>${escapeText(document.model)}@${document.version}</h1>
<p class="soft">${origin}</p>
<p class="lead">${lead}</p>
<dl class="figures">${shown.join('')}</dl>
${notes}
</header>`
}

function sourceName({ source }: ReportFacts): string {
  if (source.kind === 'rows') return 'rows sent as JSON'
  if (source.kind === 'upload') return 'an uploaded file'
  const [first = '', ...rest] = source.files
  const more = rest.length === 0 ? '' : ` and ${plural(rest.length, 'more file')}`
  return `<bdi>${escapeText(shownName(first, 80))}</bdi>${more}`
}

function section(title: string, ...content: readonly string[]): string {
  return `<section><h2>${title}</h2>${content.join('')}</section>`
}

async function course(facts: ReportFacts, aggregate: ReportAggregate, figure: Figure): Promise<string> {
  const { course, flagged } = aggregate
  const isTime = course.unit === 'time'
  const zone = isTime ? ` Times are local in ${escapeText(facts.document.timeContext.timeZone)}.` : ''
  const each = isSpread(course)
    ? `The highest and the mean score of every ${bucketWords(aggregate)}.`
    : 'The score of every row.'
  const mark = isSpread(course)
    ? ' A dot marks a stretch with flagged rows, at its highest score.'
    : ' A dot marks a flagged row.'
  const marks = flagged > 0 ? mark : ''
  const shaded = hasLabelled(course) ? ' Shaded: rows labelled as anomalies.' : ''
  return section(
    isTime ? 'Score over time' : 'Score over the rows',
    `<p class="soft">${each}${marks}${shaded}${zone}</p>`,
    await figure('course', (width) => scoreCourse(facts, aggregate, width)),
  )
}

async function distributionSection(distribution: Distribution, figure: Figure): Promise<string> {
  return section(
    'Distribution of scores',
    '<p class="soft">Rows by score. The scale is logarithmic: one row can be seen beside a million.</p>',
    await figure('scores', (width) => scoreDistribution(distribution, width), halfDesk),
  )
}

async function hours(facts: ReportFacts, aggregate: ReportAggregate, figure: Figure): Promise<string> {
  if (aggregate.hours.length === 0 || aggregate.flagged === 0) return ''
  const zone = facts.document.timeContext.timeZone
  return section(
    'Flags by hour and weekday',
    `<p class="soft">Local time in ${escapeText(zone)}. Hours of the week without a row are left empty.</p>`,
    await figure('hours', (width) => flagHours(aggregate, zone, width), halfDesk),
  )
}

async function entities(aggregate: ReportAggregate, figure: Figure): Promise<string> {
  const { entities } = aggregate
  if (entities === null || entities.named.length === 0) return ''
  const { named, others, manyOthers, flaggedNotNamed } = entities
  const shown = Math.min(15, named.length)
  const hidden = named.slice(shown)
  const rest = others + hidden.length
  const flaggedRest = flaggedNotNamed + hidden.reduce((sum, { flagged }) => sum + flagged, 0)
  const more =
    rest === 0
      ? named.length === 1
        ? 'The source has one entity.'
        : 'Every entity is shown.'
      : `${manyOthers ? 'More than ' : ''}${rest === 1 && !manyOthers ? '1 other entity has' : `${formatCount(rest)} other entities have`} ${flaggedRest === 0 ? 'no flagged row' : plural(flaggedRest, 'flagged row')}.`
  return section(
    'Flags by entity',
    `<p class="soft">${more}</p>`,
    await figure('entities', (width) => flaggedEntities(entities, width), 720),
  )
}

async function labels(facts: ReportFacts, aggregate: ReportAggregate, figure: Figure): Promise<string> {
  const { labels } = aggregate
  // Where the labels are all the same, a sentence at the top says so.
  if (labels === null || labels.curve.length === 0) return ''
  const picture = await figure('curve', (width) => precisionRecall(labels, width), halfDesk)
  const { words, tables } = judgement(facts, labels)
  return section('Against the labels', words, `<div class="beside"><div>${tables}</div>${picture}</div>`)
}
