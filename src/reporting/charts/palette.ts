/** The colours of a report: told apart by people who see no red or no green (Okabe and Ito 2008), each with a twin for a dark page. */
export const light = {
  paper: '#ffffff',
  ink: '#1c2733',
  soft: '#586574',
  faint: '#dfe4e9',
  empty: '#eef1f4',
  /** Training, and everything usual. */
  usual: '#9aa7b5',
  band: '#5b6b7c',
  score: '#1f6fb4',
  mean: '#8dbbe2',
  flagged: '#d04f00',
  label: '#e4d7f2',
  labelInk: '#6f4aa0',
  heat1: '#fbd9c0',
  heat2: '#f2a876',
  heat3: '#d96f2b',
  heat4: '#8f3a00',
} as const

export type Colour = keyof typeof light

export const dark: Readonly<Record<Colour, string>> = {
  paper: '#12181f',
  ink: '#e8edf2',
  soft: '#9fadbb',
  faint: '#2c3641',
  empty: '#1d252e',
  usual: '#64727f',
  band: '#a9b7c4',
  score: '#62aef0',
  mean: '#2f5f8c',
  flagged: '#ff8a3d',
  label: '#3a2d50',
  labelInk: '#b79be0',
  heat1: '#4a2f1f',
  heat2: '#84491f',
  heat3: '#d0702a',
  heat4: '#ffb885',
}
