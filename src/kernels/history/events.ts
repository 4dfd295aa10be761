/** Judging flags by incident instead of by row: which were found, how late, and how many alarms were false. */

type Entity = ReturnType<typeof newEntity>

const newEntity = () => ({
  firstTime: Number.POSITIVE_INFINITY,
  lastTime: Number.NEGATIVE_INFINITY,
  inEvent: false,
  /** Time of the running event's first row. */
  eventStart: Number.NaN,
  eventFound: false,
  /** A run of flagged rows is under way, and whether it touched a labelled row. */
  alarm: false,
  alarmTouched: false,
})

const microsecondsPerDay = 86_400e6

/** Judges rows as they come; memory grows with entities and with the events found, not with rows. */
export function createEventJudge() {
  const entities = new Map<string, Entity>()
  const delays: number[] = []
  let events = 0
  let falseAlarms = 0

  function endAlarm(entity: Entity): void {
    if (entity.alarm && !entity.alarmTouched) falseAlarms++
    entity.alarm = false
    entity.alarmTouched = false
  }

  /** One row of an entity. `time` in epoch microseconds, NaN when unknown; `label` 1 or 0, NaN (unlabelled) breaks a run. */
  function row(name: string, time: number, label: number, flagged: boolean): void {
    let entity = entities.get(name)
    if (entity === undefined) {
      entity = newEntity()
      entities.set(name, entity)
    }
    if (time < entity.firstTime) entity.firstTime = time
    if (time > entity.lastTime) entity.lastTime = time
    // Nearly every row: nothing is under way, and nothing begins.
    if (label === 0 && !flagged && !entity.inEvent && !entity.alarm) return
    if (label !== 1) entity.inEvent = false
    else if (!entity.inEvent) {
      events++
      entity.inEvent = true
      entity.eventStart = time
      entity.eventFound = false
    }
    if (!flagged) {
      endAlarm(entity)
      return
    }
    entity.alarm = true
    if (label !== 0) entity.alarmTouched = true
    if (label === 1 && !entity.eventFound) {
      entity.eventFound = true
      delays.push((time - entity.eventStart) / 1e6)
    }
  }

  /** Figures by event: an unbroken run of labelled rows of one entity, in the order of the source. */
  function figures() {
    let entityDays = 0
    for (const entity of entities.values()) {
      endAlarm(entity)
      if (entity.lastTime > entity.firstTime) entityDays += (entity.lastTime - entity.firstTime) / microsecondsPerDay
    }
    const sorted = Float64Array.from(delays).sort()
    const middle = sorted.length / 2
    const median = sorted.length === 0 ? null : (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2
    return {
      events,
      /** Events with at least one flagged row. */
      found: sorted.length,
      /** Median seconds from an event's first row to its first flagged one, over the events found; null without any. */
      medianDelaySeconds: median,
      /** Unbroken runs of flagged rows of one entity that touch no labelled row. */
      falseAlarms,
      /** Sum over entities of the time from its first to its last row, in days. */
      entityDays,
      /** False alarms per entity and day; null when the rows span no time. */
      falseAlarmsPerEntityDay: entityDays > 0 ? falseAlarms / entityDays : null,
    }
  }

  return {
    row,
    figures,
    get entities(): number {
      return entities.size
    },
  }
}
