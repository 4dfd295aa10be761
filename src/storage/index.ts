export {
  type Disk,
  digestOf,
  errorCode,
  putInPlace,
  realDisk,
  storageFailure,
  temporaryName,
  tryTo,
} from './durable-files.ts'
export { lockHome } from './home-lock.ts'
