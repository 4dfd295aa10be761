/** What scoring and evaluating share: a version, a source with its features, and block after block through the threads. */
import { DeepWatchError } from '../errors.ts'
import { inOrder } from '../flow.ts'
import {
  changesScores,
  markHistory,
  smoothInOrder,
  smoothInTurn,
  smoothingColumns,
  smoothLive,
  smoothSource,
  type Windows,
} from '../history/index.ts'
import { asRows } from '../json/index.ts'
import type { Block } from '../kernels/index.ts'
import { didYouMean } from '../nearest.ts'
import type { Pool } from '../pool/index.ts'
import type { ColumnType, Description, FeatureQuery, SourceReading } from '../reader/index.ts'
import { entityModelsOf, type ModelHandle, type Registry } from '../registry/index.ts'
import { readingOf, type ScoreSettings, type VersionDocument } from '../schemas/index.ts'
import type { Source } from '../sources/index.ts'
import {
  historyQuery,
  isDerived,
  type Opened,
  type OpenTelemetry,
  type OpenTelemetryOptions,
  placesOf,
  planScoring,
  quote,
  readRows,
  readWindow,
  rowFacts,
} from '../telemetry/index.ts'
import type { Work } from '../work.ts'
import { ScoreAccount, type ScoringEnd } from './account.ts'
import { ScoredBlock } from './scored-block.ts'
import { absentEntities, ValueWatch } from './source-warnings.ts'
import { planVersion, scoringModel } from './version-plan.ts'

export interface ScoreStreamParts {
  readonly open: OpenTelemetry
  readonly pool: Pool
  readonly registry: Registry<VersionDocument>
  /** Bytes that the windows of all entities of a source may take. */
  readonly historyBytes: number
  /** Blocks under way at once. */
  readonly ahead: number
}

/** What is scored, with what. */
export type ScoreTarget = Omit<ScoreSettings, 'return' | 'include'>

/** A model and a source that fit each other. */
export interface Prepared {
  readonly handle: ModelHandle<VersionDocument>
  readonly opened: Opened
  readonly description: Description
  /** The windows the rows go on from, and are gone on from by later ones; null for a source that is whole in itself. */
  readonly live: Windows | null
  /** Reads the model's features; the caller adds what it needs beside them. */
  readonly query: FeatureQuery
}

/**
 * Opens the source and finds the features of a version in it. The caller closes `opened`.
 * With `windows`, rows that came as JSON go on from earlier ones.
 * Errors: those of opening a source and of `planScoring`, and `missing_timestamp`.
 */
export async function prepareScoring(
  parts: ScoreStreamParts,
  handle: ModelHandle<VersionDocument>,
  target: ScoreTarget,
  upload: Source | null,
  { windows, ...options }: OpenTelemetryOptions & { readonly windows?: Windows | undefined },
): Promise<Prepared> {
  const { document } = handle
  const reading = scoringReading(document, target)
  const opened = await openHolding(parts, handle, () =>
    parts.open(
      { rows: target.rows, source: target.source, upload },
      {
        ...options,
        types: columnTypes(document),
        expect: expectedColumns(document, target),
        reading,
      },
    ),
  )
  try {
    const description = await opened.telemetry.describe()
    const found = planScoring(description, document, target)
    const window = readWindow(target.window)
    if (window && found.timestamp === null) {
      throw new DeepWatchError('missing_timestamp', 'window: the source has no timestamp column.')
    }
    const entity = presentColumn(description, target.entity ?? document.roles.entity)
    const entities = entityModelsOf(handle)
    const query: FeatureQuery = {
      features: found.features,
      timestamp: found.timestamp ?? undefined,
      transitions: document.timeContext.transitions ?? undefined,
      window,
      history: historyQuery(document.features.filter(isDerived), entity, parts.historyBytes),
      entity: entity ?? undefined,
      entities: entities?.names,
      extra: {
        ...(entities && { entity: true }),
        // Without a row there is no time that could be missing.
        ...(description.columns.length > 0 && smoothingColumns(document, found.timestamp, entity)),
      },
    }
    const { history } = query
    if (!target.rows || reading.pivot || !windows || (!history && !changesScores(document)))
      return { handle, opened, description, live: null, query }
    const plan = { columns: history?.columns.length ?? 0, derivations: history?.derivations ?? [] }
    const live = windows.histories(handle, plan)
    const telemetry = readRows(asRows(target.rows), { live, reading })
    return { handle, opened: { ...opened, telemetry }, description, live: windows, query }
  } catch (error) {
    await opened.close()
    throw error
  }
}

/** Opens a source. Until it is closed, its version does not expire. */
async function openHolding(
  { registry }: ScoreStreamParts,
  { name, version }: ModelHandle<VersionDocument>,
  open: () => Promise<Opened>,
): Promise<Opened> {
  const release = registry.hold(name, version)
  try {
    const opened = await open()
    return { ...opened, close: () => opened.close().finally(release) }
  } catch (error) {
    release()
    throw error
  }
}

export function presentColumn({ columns }: Description, name: string | null): string | null {
  return name !== null && columns.some((column) => column.name === name) ? name : null
}

/** Refuses names that the source does not have: `unknown_column`. */
export function requireColumns(description: Description, names: readonly string[], setting: string): void {
  const column = names.find((name) => presentColumn(description, name) === null)
  if (column === undefined) return
  const near = didYouMean(
    column,
    description.columns.map(({ name }) => name),
  )
  const detail = `${setting}: the source has no column ${quote(column)}${near}.`
  throw new DeepWatchError('unknown_column', detail, { facts: { column } })
}

/** Columns that NDJSON has to be searched for although they may be absent: roles, and what is echoed. */
function expectedColumns(
  { roles }: VersionDocument,
  target: ScoreTarget & { readonly include?: readonly string[] | undefined },
): string[] {
  const named = [
    target.timestamp ?? roles.timestamp,
    target.label ?? roles.label,
    target.entity ?? roles.entity,
    ...(target.include ?? []),
  ]
  return named.filter((name) => name !== null)
}

/** What text formats must read the model's columns as, instead of guessing. */
function columnTypes({ features }: VersionDocument): ColumnType[] {
  const kinds = new Map<string, ColumnType['kind']>()
  for (const feature of features) {
    if (feature.kind === 'derived') kinds.set(feature.column, feature.columnKind)
    else if (feature.kind !== 'timeContext') kinds.set(feature.name, feature.kind)
  }
  return Array.from(kinds, ([name, kind]): ColumnType => ({ name, kind }))
}

/** A source is read as the one of the training, but for what the request says. */
function scoringReading(document: VersionDocument, target: ScoreTarget): SourceReading {
  const { roles } = document
  return {
    ...document.reading,
    ...readingOf(target),
    timestamp: target.timestamp ?? roles.timestamp,
    entity: target.entity ?? roles.entity ?? undefined,
    features: columnTypes(document).map(({ name }) => name),
  }
}

/** Scores every row once, in source order. What comes last are the counts for the answer and for the metrics. */
export async function* scoreStream(
  parts: ScoreStreamParts,
  { handle, opened, description, live, query: asked }: Prepared,
  { signal, progress }: Work,
): AsyncGenerator<ScoredBlock, ScoringEnd> {
  const { document } = handle
  const plan = planVersion(document)
  const { guards } = plan
  const entities = entityModelsOf(handle)
  const model = scoringModel(handle, plan)
  const query = { ...asked, extra: { ...asked.extra, history: asked.history !== undefined } }
  const places = placesOf(plan.names.length, query.extra)
  const guardsAt = ({ values, stride }: Block) =>
    entities && guards && places.entity !== null
      ? (row: number) => entities.guardsOf(values[places.entity! * stride + row]!, guards)
      : null
  // Rows in a body are a few of many, and of some entities alone.
  const absent = opened.session ? await absentEntities(document, opened.telemetry, query) : []
  const account = new ScoreAccount(handle)
  const watch = new ValueWatch(plan.names)
  let accepted = false
  progress?.begin('scoring', query.window ? null : description.rows)
  // Rows that are refused must not have entered the windows: they will come again.
  if (live && parts.pool.saturated)
    throw new DeepWatchError('overloaded', 'All threads are busy and the queue is full.')
  const scored = inOrder(opened.telemetry.features(query), parts.ahead, async (piece) => {
    // Only the first block may find the queue full: later ones, and rows that are in the windows, belong to accepted work.
    const patient = accepted || live !== null
    accepted = true
    const result = await parts.pool.score(model, piece.block, { signal, patient })
    if (places.history !== null) markHistory(piece, places.history, result)
    return { piece, result }
  })
  const smoothed = !changesScores(document)
    ? scored
    : live
      ? smoothInTurn(
          scored,
          smoothLive(document, document.threshold.value, places, live, handle),
          live.turn(handle, 'scores'),
        )
      : smoothInOrder(scored, smoothSource(document, document.threshold.value, places, parts.historyBytes))
  for await (const { piece, result } of smoothed) {
    account.enter(piece.block.rows, result)
    watch.take(piece.block)
    progress?.advance(piece.block.rows)
    try {
      const facts = rowFacts(plan.names.length, query.extra, piece)
      yield new ScoredBlock(plan, facts, piece.block, result, guardsAt(piece.block))
    } finally {
      piece.release()
    }
    result.release?.()
  }
  return account.close([...absent, ...(description.columns.length > 0 ? watch.warnings() : [])])
}
