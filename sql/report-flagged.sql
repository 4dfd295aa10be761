-- The entities with the most flagged rows.
-- {{columns}}: the columns of the source that are needed, as c0, c1, ...
-- {{relation}}: the source.
-- {{window}}: condition on the columns, or true.
-- {{entity}}: the entity as text.
-- $threshold: score above which a row is an anomaly (double).
-- $entities: entities to name (integer); of more than three times as many they are estimated.
-- Returns one row: the entities, as JSON text.
select to_json(approx_top_k(entity, $entities::bigint) filter (where not isnan(score) and score > $threshold))::varchar
from (
  select {{entity}} as entity, score_at(position) as score
  from (
    select *, row_number() over () - 1 as position
    from (select {{columns}} from {{relation}})
    where {{window}}
  )
)
