export interface HomeLock {
  /** Gives the folder back; a second call does nothing. */
  release(): Promise<void>
}

/**
 * Takes the state folder for this process, creating it (0700) when absent. Throws 'home_locked' while
 * another process holds it, 'invalid_setting' when it cannot be created or written. `onLost` is called once when another
 * host took the folder over because this process had stopped for more than ten seconds: stop at once then.
 */
export async function lockHome(_home: string, _options: { onLost?: () => void } = {}): Promise<HomeLock> {
  throw new Error('being built')
}
