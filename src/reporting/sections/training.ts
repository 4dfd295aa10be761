/** The facts of the training, and its warnings. */
import type { ReportFacts } from '../../schemas/index.ts'
import {
  escapeText,
  formatBytes,
  formatCount,
  formatNumber,
  formatScore,
  formatShare,
  plural,
  shownName,
} from '../charts/index.ts'

export function trainingFacts({ document }: ReportFacts): string {
  const { training, detector, threshold, timeContext, missing, features, roles, payload, smoothing, habituation } =
    document
  const derived = features.filter(({ kind }) => kind === 'derived').map(({ name }) => shownName(name, 60))
  const seed = detector.effective['seed']
  const { window } = training
  const clock = timeContext.features.map((name) => (name === 'hour' ? 'the hour' : 'the day of the week')).join(' and ')
  /** What is null is not shown. */
  const facts: [string, string | null][] = [
    ['rows', rowWords(training)],
    ['time', training.from === null ? 'no timestamp' : `${training.from} to ${training.to}`],
    ['window', window ? windowWords(window) : null],
    ['left out', leftOutWords(training)],
    ['filled', training.rowsFilled > 0 ? `${plural(training.rowsFilled, 'row')} with training medians` : null],
    ['missing values', `rule ${missing.rule}`],
    [
      'features',
      plural(features.length, 'feature') + (clock === '' ? '' : `, with ${clock} (${timeContext.timeZone})`),
    ],
    ['derived', derived.length > 0 ? derivedWords(derived) : null],
    ['smoothing', smoothing ? `mean over ${windowLength(smoothing.window)}` : null],
    [
      'habituation',
      habituation ? `what half of ${formatCount(habituation.window)} rows are used to is not flagged` : null,
    ],
    ['roles', roleWords(roles)],
    ['detector', `${detector.type}: ${settingWords(detector.effective)}`],
    ...(detector.choice ?? []).map(({ what, why }): [string, string] => {
      return ['chosen', `${shownName(what, 200)}. ${shownName(why, 400)}`]
    }),
    ['seed', seed === undefined ? 'none' : String(seed)],
    [
      'threshold',
      `${formatScore(threshold.value)}, from ${ruleWords(threshold.rule)}; ${plural(threshold.flaggedRows, 'training row')} above it (${formatShare(threshold.flaggedShare)})`,
    ],
    ['model', `${formatBytes(payload.bytes)}, SHA-256 ${payload.sha256.slice(0, 16)}…`],
    ['took', `${formatNumber(training.seconds, 3)} s`],
  ]
  const warnings = document.warnings.map(({ message, columns }) => {
    const names = (columns ?? []).slice(0, 8).map((name) => shownName(name, 60))
    const more = (columns?.length ?? 0) - names.length
    return `<li>${escapeText(shownName(message, 400))}${names.length === 0 ? '' : ` <bdi>${escapeText(names.join(', '))}</bdi>`}${more > 0 ? ` and ${formatCount(more)} more` : ''}</li>`
  })
  const leftOut = timeContext.leftOut.map(
    ({ feature, reason }) =>
      `<li>${feature === 'hour' ? 'The hour' : 'The day of the week'} was left out. ${escapeText(shownName(reason, 200))}</li>`,
  )
  const notes = [...warnings, ...leftOut]
  const list = facts.flatMap(([name, value]) => {
    return value === null ? [] : `<dt>${name}</dt><dd><bdi>${escapeText(value)}</bdi></dd>`
  })
  return `<section class="flow"><h2>How it was trained</h2><dl class="facts">${list.join('')}</dl></section>${notes.length === 0 ? '' : `<section><h2>Warnings</h2><ul class="plain">${notes.join('')}</ul></section>`}`
}

function rowWords({ rows, rowsInWindow, rowsUsed }: ReportFacts['document']['training']): string {
  const inWindow = rowsInWindow === rows ? '' : `, ${formatCount(rowsInWindow)} in the window`
  return `${formatCount(rowsUsed)} used of ${formatCount(rows)}${inWindow}`
}

function roleWords(roles: ReportFacts['document']['roles']): string {
  const named = Object.entries(roles).flatMap(([role, name]) => (name === null ? [] : `${role} ${shownName(name, 60)}`))
  return named.join(', ') || 'none'
}

function leftOutWords(training: ReportFacts['document']['training']): string {
  const { rowsLeftOut, rowsWithoutHistory = 0, rowsOutOfOrder = 0 } = training
  const kinds: [number, string][] = [
    [rowsLeftOut, 'with missing or non-finite values'],
    [rowsWithoutHistory, 'with too little history'],
    [rowsOutOfOrder, 'out of order'],
  ]
  const told = kinds.filter(([rows]) => rows > 0).map(([rows, why]) => `${plural(rows, 'row')} ${why}`)
  return told.join(', ') || 'no row'
}

function derivedWords(names: readonly string[]): string {
  const more = names.length - 8
  return `${names.slice(0, 8).join(', ')}${more > 0 ? ` and ${formatCount(more)} more` : ''}; not drawn, as the source has no such columns`
}

const windowLength = (window: number | string) => (typeof window === 'number' ? plural(window, 'row') : window)

function windowWords({ from, to, exclude }: NonNullable<ReportFacts['document']['training']['window']>): string {
  const parts = [
    from && `from ${from}`,
    to && `to ${to}`,
    exclude?.length && `without ${plural(exclude.length, 'range')}`,
  ]
  return parts.filter(Boolean).join(' ')
}

function ruleWords(rule: ReportFacts['document']['threshold']['rule']): string {
  if (rule === 'auto') return "the detector's own line"
  return 'contamination' in rule ? `a contamination of ${formatShare(rule.contamination)}` : 'a given value'
}

/** Settings as they were used, but for the seed, which stands by itself. */
function settingWords(effective: Readonly<Record<string, unknown>>): string {
  const words = Object.entries(effective)
    .filter(([name, value]) => name !== 'seed' && name !== 'type' && (typeof value !== 'object' || value === null))
    .map(([name, value]) => `${name} ${String(value)}`)
  return words.length === 0 ? 'no settings' : words.join(', ')
}
