export { calibrate, createStatistic, memberScale, type Rule, rules } from './calibration.ts'
export { shrunkCovariance, whitening } from './covariance.ts'
export { kurtosisOf } from './kurtosis.ts'
export { decodeMixture, encodeMixture, type Mixture, mixtureBounds, mixtureBytes } from './mixture.ts'
export { createNeighbourSearch, layReference } from './neighbours.ts'
export { decodeNumbers, encodeNumbers, numbersBytes } from './payload.ts'
export {
  emptyProfile,
  findUnusable,
  mergeProfiles,
  type Profile,
  profileBlock,
  profileSampleRows,
  quantiles,
  rowMarks,
  type Unusable,
  usableRows,
  varyingColumns,
} from './profile.ts'
export {
  readStandardised,
  robustScale,
  type Standardised,
  standardisedFor,
  standardisedRows,
  standardiseRow,
} from './scaling.ts'
