export {
  type Disk,
  errorCode,
  newTemporaryName,
  putInPlace,
  realDisk,
  storageFailure,
  temporaryName,
  tryTo,
} from './durable-files.ts'
export { lockHome } from './home-lock.ts'
