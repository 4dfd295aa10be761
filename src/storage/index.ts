export { type Disk, errorCode, putInPlace, realDisk, storageFailure, temporaryName, tryTo } from './durable-files.ts'
export { type HomeLock, lockHome } from './home-lock.ts'
