/** Whether and how a model looks at the clock. */
import { DeepWatchError } from '../errors.ts'
import type { ZoneTransitions } from '../kernels/history/index.ts'
import type { Span, TimeContextColumn } from '../reader/index.ts'
import type { TrainSettings } from '../schemas/index.ts'
import { isTimeZone, zoneTransitions } from '../time/index.ts'

type TimeFeature = 'hour' | 'dayOfWeek'

export interface TimeContextPlan {
  readonly features: readonly TimeFeature[]
  /** The columns of the feature matrix that these become. */
  readonly columns: readonly TimeContextColumn[]
  readonly timeZone: string
  /** Null without such columns. */
  readonly transitions: ZoneTransitions | null
  readonly leftOut: readonly { readonly feature: TimeFeature; readonly reason: string }[]
}

const columnsOf: Readonly<Record<TimeFeature, readonly TimeContextColumn[]>> = {
  hour: ['hour_sin', 'hour_cos'],
  dayOfWeek: ['day_of_week_sin', 'day_of_week_cos'],
}
/** Days that training must span before a feature of the clock has repeated itself once. */
const daysNeeded: Readonly<Record<TimeFeature, number>> = { hour: 2, dayOfWeek: 14 }
const microsecondsPerDay = 86_400e6

/** Decides the time context: "auto" keeps what the span can teach. Errors: `validation_failed`, `missing_timestamp`, `unused_setting`. */
export function planTimeContext(
  settings: Pick<TrainSettings, 'timeFeatures' | 'timeZone'>,
  timestamp: string | null,
  span: Span,
): TimeContextPlan {
  const wanted = settings.timeFeatures ?? 'auto'
  const timeZone = settings.timeZone ?? 'UTC'
  if (!isTimeZone(timeZone)) throw new DeepWatchError('validation_failed', 'timeZone: there is no such IANA time zone.')
  const asked = wanted === 'auto' ? [] : wanted
  if (timestamp === null && asked.length > 0)
    throw new DeepWatchError('missing_timestamp', 'timeFeatures: the source has no timestamp column.')
  if (settings.timeZone !== undefined && (timestamp === null || (wanted !== 'auto' && asked.length === 0))) {
    throw new DeepWatchError('unused_setting', 'timeZone: without time features it would have no effect.')
  }
  const { features, leftOut } =
    wanted === 'auto' && timestamp !== null ? choose(span) : { features: asked, leftOut: [] }
  const columns = features.flatMap((feature) => columnsOf[feature])
  return { features, columns, timeZone, transitions: columns.length > 0 ? zoneTransitions(timeZone) : null, leftOut }
}

function choose(span: Span): Pick<TimeContextPlan, 'features' | 'leftOut'> {
  const days = span.from === null || span.to === null ? 0 : (span.to - span.from) / microsecondsPerDay
  const all: TimeFeature[] = ['hour', 'dayOfWeek']
  return {
    features: all.filter((feature) => days >= daysNeeded[feature]),
    leftOut: all
      .filter((feature) => days < daysNeeded[feature])
      .map((feature) => ({
        feature,
        reason: `Training spans ${days.toFixed(2)} days; ${daysNeeded[feature]} are needed.`,
      })),
  }
}
