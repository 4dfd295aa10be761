-- The source's own columns with its scores beside them, row by row. The scores come by the position of a row in the window, through
-- the function score_at: joined by position they would all be held in memory.
-- {{output}}: the columns of the source (c0, c1, ...) under their own names, each with a comma behind it.
-- {{columns}}: the columns of the source as c0, c1, ...
-- {{relation}}: the source.
-- {{position}}: the position of a row among those of the window; counted, it keeps the statement to one thread.
-- {{window}}: condition on the columns, or true.
-- {{kept}}: condition on the scored row r, or true.
-- $threshold: score above which a row is an anomaly (double).
-- Returns: the columns, anomaly_score (double, null where unscored), is_anomaly (boolean).
select {{output}} case when isnan(r.score) then null else r.score end as anomaly_score,
  not isnan(r.score) and r.score > $threshold as is_anomaly
from (
  select *, score_at(position) as score
  from (
    select *, {{position}} as position
    from (select {{columns}} from {{relation}})
    where {{window}}
  )
) r
where {{kept}}
