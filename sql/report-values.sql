-- What is in the rows that stand out: the flagged rows counted by value, stretch, local hour and entity, and the rows with the highest
-- scores. All of it is of bounded size: a count per bin, and a heap.
-- {{source}}, {{relation}}, {{window}}, {{stretch}}: as in report-groups.sql.
-- {{bins}}: one histogram per feature, over the bin of its value in flagged rows.
-- {{hour}}: local hour of the week, 0 is Monday 0:00 (integer), null for none.
-- {{row}}: a struct of what is told about a row.
-- {{entity}}: the entity as text, or null.
-- $threshold: score above which a row is an anomaly (double).
-- $least: score from which on rows are looked at; not above the threshold (double).
-- $rows: rows with the highest scores to tell about (integer).
-- $entities: entities with the most flagged rows to name; of more than three times as many they are estimated (integer).
-- Returns one row of JSON texts: the histograms by value, by stretch and by hour, the rows, the entities.
select to_json([{{bins}}])::varchar,
  to_json(histogram({{stretch}}) filter (where above))::varchar,
  to_json(histogram({{hour}}) filter (where above))::varchar,
  to_json(max_by({{row}}, rank, $rows::bigint))::varchar,
  to_json(approx_top_k({{entity}}, $entities::bigint) filter (where above))::varchar
from (
  select *, score > $threshold as above, {score: score, earliness: -position} as rank
  from (
    select *, score_at(position) as score
    from (
      select *, row_number() over () - 1 as position
      from (select {{source}} from {{relation}})
      where {{window}}
    )
  )
  where not isnan(score) and score >= $least
)
