/** The colours of a report: told apart by people who see no red or no green (Okabe and Ito 2008), each with a twin for a dark page. */
const colours = {
  paper: ['#ffffff', '#12181f'],
  ink: ['#1c2733', '#e8edf2'],
  soft: ['#586574', '#9fadbb'],
  faint: ['#dfe4e9', '#2c3641'],
  empty: ['#eef1f4', '#1d252e'],
  /** Training, and everything usual. */
  usual: ['#9aa7b5', '#64727f'],
  band: ['#5b6b7c', '#a9b7c4'],
  score: ['#1f6fb4', '#62aef0'],
  mean: ['#8dbbe2', '#2f5f8c'],
  flagged: ['#d04f00', '#ff8a3d'],
  label: ['#e4d7f2', '#3a2d50'],
  labelInk: ['#6f4aa0', '#b79be0'],
  heat1: ['#fbd9c0', '#4a2f1f'],
  heat2: ['#f2a876', '#84491f'],
  heat3: ['#d96f2b', '#d0702a'],
  heat4: ['#8f3a00', '#ffb885'],
} as const

export type Colour = keyof typeof colours

const each = (twin: 0 | 1) =>
  Object.fromEntries(Object.entries(colours).map(([name, pair]) => [name, pair[twin]])) as Record<Colour, string>

export const light = each(0)
export const dark = each(1)
