-- How many rows some entities have and how many of them are flagged.
-- {{columns}}, {{relation}}, {{window}}: as in report-flagged.sql.
-- {{entity}}: the entity as text.
-- $threshold: score above which a row is an anomaly (double).
-- $names: the entities to tell about (list of texts).
-- $max: entities up to which the others are counted (integer).
-- Returns per named entity, and for all others together: entity (text, null for the others), rows, flagged rows, entities (integers).
select case when list_contains($names::varchar[], entity) then entity end as name, count(*),
  count(*) filter (where not isnan(score) and score > $threshold), len(approx_top_k(entity, $max::bigint))
from (
  select {{entity}} as entity, score_at(position) as score
  from (
    select *, row_number() over () - 1 as position
    from (select {{columns}} from {{relation}})
    where {{window}}
  )
)
group by name
order by 3 desc, name
