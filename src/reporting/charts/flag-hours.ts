/** When rows are flagged: by local hour and weekday. */
import type { ReportAggregate } from '../../schemas/index.ts'
import type { Chart } from './draw.ts'
import { given, givenColours } from './outline.ts'
import { light } from './palette.ts'
import { plural } from './text.ts'

const weekdays = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']
const steps = [light.heat1, light.heat2, light.heat3, light.heat4]

export function flagHours(aggregate: ReportAggregate, timeZone: string, width: number): Chart {
  const max = Math.max(...aggregate.hours.map(({ flagged }) => flagged), 1)
  const classes = heatClasses(max)
  const colours = classes.map(({ colour }) => colour)
  const values = aggregate.hours.map(({ hour, flagged }) => ({
    day: Math.floor(hour / 24),
    hour: hour % 24,
    class: classes.find(({ to }) => flagged <= to)!.name,
  }))
  const cell = Math.floor((width - 46) / 24)
  const busiest = aggregate.hours.reduce(
    (best, each) => (each.flagged > best.flagged ? each : best),
    aggregate.hours[0]!,
  )
  return {
    title: 'Flagged rows by hour and weekday',
    description: `Local time in ${timeZone}. Most in an hour of the week: ${plural(busiest.flagged, 'row')}, ${weekdays[Math.floor(busiest.hour / 24)]} ${busiest.hour % 24}:00. Hours without a row are left empty.`,
    spec: {
      width: cell * 24,
      height: Math.min(Math.max(cell, 16), 26) * 7,
      data: { values },
      mark: { type: 'rect', stroke: light.paper, strokeWidth: 1.5 },
      encoding: {
        x: {
          field: 'hour',
          type: 'ordinal',
          scale: { domain: Array.from({ length: 24 }, (_, hour) => hour), padding: 0 },
          axis: { title: null, values: [0, 3, 6, 9, 12, 15, 18, 21], labelAngle: 0, domain: false, ticks: false },
        },
        y: {
          field: 'day',
          type: 'ordinal',
          scale: { domain: [0, 1, 2, 3, 4, 5, 6], padding: 0 },
          axis: { title: null, domain: false, ticks: false, labelExpr: `['${weekdays.join("','")}'][datum.value]` },
        },
        color: {
          field: 'class',
          type: 'nominal',
          scale: {
            domain: given(classes.map(({ name }) => name)),
            range: givenColours(colours, steps.length + 1),
          },
          legend: {
            orient: 'bottom',
            title: 'flagged rows',
            symbolType: 'square',
            direction: 'horizontal',
            columns: width < 400 ? 3 : 6,
          },
        },
      },
    },
  }
}

/** None, and up to four equal steps to the highest count. */
function heatClasses(max: number): { name: string; to: number; colour: string }[] {
  const count = Math.min(steps.length, max)
  const classes = [{ name: '0', to: 0, colour: light.empty }]
  for (let step = 1; step <= count; step++) {
    const from = classes.at(-1)!.to + 1
    const to = Math.ceil((max * step) / count)
    const name = from === to ? String(from) : `${from} to ${to}`
    classes.push({ name, to, colour: count < 3 ? steps[step + 1]! : steps[step - 1 + (steps.length - count)]! })
  }
  return classes
}
