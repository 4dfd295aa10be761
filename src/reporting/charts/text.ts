/** Words and numbers as people read them. Whatever comes from outside passes `shownName` and then `escapeText`. */
import { offsetAt } from '../../aggregate/index.ts'
import type { ZoneTransitions } from '../../kernels/history/index.ts'
import { formatTimestamp } from '../../time/index.ts'

/** What is not seen, changes how other text is seen (direction, invisible separators, halves of characters), or is no XML. */
const unseen =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are looked for
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g

/** A name from outside as a person may read it: what cannot be seen is shown as �, and it is cut after `max` characters. */
export function shownName(name: string, max = 60): string {
  // Cut first: a name may be very long. A character takes at most a few units.
  const characters = [...name.slice(0, max * 8).replaceAll(unseen, '\ufffd')]
  return characters.length > max || name.length > max * 8
    ? `${characters.slice(0, max - 1).join('')}…`
    : characters.join('')
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Text for HTML and XML, in elements and in quoted attributes. */
export function escapeText(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => entities[character]!)
}

/** Between a number and its unit: a space at which no line ends. */
const thin = '\u00a0'

/** A whole number with its thousands apart. */
export function formatCount(count: number): string {
  return String(Math.round(count)).replaceAll(/\B(?=(\d{3})+$)/g, ',')
}

/** A measured value with about `digits` figures that tell. */
export function formatNumber(value: number, digits = 4): string {
  if (!Number.isFinite(value)) return value > 0 ? '∞' : value < 0 ? '−∞' : 'none'
  const size = Math.abs(value)
  if (size !== 0 && (size < 1e-4 || size >= 1e7)) {
    const [mantissa, exponent] = value.toExponential(Math.min(digits - 1, 2)).split('e') as [string, string]
    return `${String(Number(mantissa)).replace('-', '−')}e${Number(exponent)}`
  }
  const plain = Number(value.toPrecision(digits))
  const [whole, fraction] = String(Math.abs(plain)).split('.') as [string, string?]
  const sign = plain < 0 ? '−' : ''
  return sign + formatCount(Number(whole)) + (fraction === undefined ? '' : `.${fraction}`)
}

/** A share as per cent; what is more than nothing never reads 0. */
export function formatShare(share: number): string {
  const percent = share * 100
  if (percent > 0 && percent < 0.01) return `<0.01${thin}%`
  return `${formatNumber(percent, percent < 99.95 ? 2 : 4)}${thin}%`
}

/** A score or threshold. */
export function formatScore(score: number): string {
  return score > 0.99 && score < 1 ? score.toFixed(5).replace(/0+$/, '') : score.toFixed(3)
}

export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
  const power = units.findIndex((_, power) => Math.abs(bytes) < 1024 ** (power + 1) || power === units.length - 1)
  return `${formatNumber(bytes / 1024 ** power, 3)}${thin}${units[power]}`
}

/** What the end of a column's name says about its unit. Nothing else is guessed. */
const units: readonly (readonly [ending: RegExp, unit: string])[] = [
  [/_bytes_per_sec(ond)?$/i, 'B/s'],
  [/_per_sec(ond)?$/i, '/s'],
  [/_per_min(ute)?$/i, '/min'],
  [/_(ms|millis|milliseconds)$/i, 'ms'],
  [/_(us|micros|microseconds)$/i, 'µs'],
  [/_(ns|nanos|nanoseconds)$/i, 'ns'],
  [/_(s|sec|secs|seconds)$/i, 's'],
  [/_(minutes|mins)$/i, 'min'],
  [/_hours$/i, 'h'],
  [/_bytes$/i, 'B'],
  [/_(kib|kibibytes)$/i, 'KiB'],
  [/_(mib|mebibytes)$/i, 'MiB'],
  [/_(gib|gibibytes)$/i, 'GiB'],
  [/_(kb|kilobytes)$/i, 'kB'],
  [/_(mb|megabytes)$/i, 'MB'],
  [/_(gb|gigabytes)$/i, 'GB'],
  [/_(percent|pct)$/i, '%'],
  [/_(celsius|degc)$/i, '°C'],
  [/_(hz|hertz)$/i, 'Hz'],
  [/_(mhz|megahertz)$/i, 'MHz'],
  [/_(watts|watt)$/i, 'W'],
  [/_(volts|volt)$/i, 'V'],
  [/_(amperes|amps)$/i, 'A'],
  [/_rpm$/i, 'rpm'],
]

/** The unit of a column, or an empty text. */
export function unitOf(name: string): string {
  const end = name.slice(-40)
  return units.find(([ending]) => ending.test(end))?.[1] ?? ''
}

/** A value of a column with its unit. Bytes are told in KiB, MiB and so on. */
export function formatValue(value: number, unit: string): string {
  if (unit === 'B' && Number.isFinite(value)) return formatBytes(value)
  if (unit === '') return formatNumber(value)
  return `${formatNumber(value)}${unit.startsWith('/') ? '' : thin}${unit}`
}

/** From one value to another, the unit once. */
export function formatRange(from: number, to: number, unit: string): string {
  if (from === to) return formatValue(from, unit)
  if (unit === 'B') return `${formatBytes(from)} to ${formatBytes(to)}`
  return `${formatNumber(from, 3)} to ${formatValue(Number(to.toPrecision(3)), unit)}`
}

/** An instant in the zone of the report, to the second: `2026-11-22 09:20:00`. The zone is named once beside it. */
export function formatTime(micros: number, zone: ZoneTransitions): string {
  const local = Math.floor((micros + offsetAt(zone, micros)) / 1e6) * 1e6
  return formatTimestamp(local).replace('T', ' ').replace('Z', '')
}

/** A length of time in the unit people would use. */
export function formatDuration(micros: number): string {
  if (micros === 0) return `0${thin}s`
  const units: readonly (readonly [number, string])[] = [
    [86_400e6, 'd'],
    [3600e6, 'h'],
    [60e6, 'min'],
    [1e6, 's'],
    [1e3, 'ms'],
  ]
  const [size, unit] = units.find(([length]) => Math.abs(micros) >= length) ?? [1, 'µs']
  return `${formatNumber(micros / size, 3)}${thin}${unit}`
}

/** `1 row`, `2 rows`. */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`
}
