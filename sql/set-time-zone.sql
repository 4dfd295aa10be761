-- Naive and zoned times are both UTC. Before the lock.
set TimeZone = 'UTC'
