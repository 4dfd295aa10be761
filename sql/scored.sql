-- The source's own columns with its scores beside them, row by row. Fails when there are not exactly as many scores as rows.
-- {{columns}}: the columns of the source (c0, c1, ...) under their own names, each with a comma behind it.
-- {{source}}: the columns of the source as c0, c1, ...
-- {{relation}}: the source.
-- {{window}}: condition on w, the time column as it is, or true.
-- {{kept}}: condition on the scored row, or true.
-- $threshold: score above which a row is an anomaly (double).
-- Returns: the columns, anomaly_score (double, null where unscored), is_anomaly (boolean).
select {{columns}} case when isnan(s.score) then null else s.score end as anomaly_score,
  not isnan(s.score) and s.score > $threshold as is_anomaly
from (select *, true as here from (select {{source}} from {{relation}}) where {{window}}) r positional join scores() s
where case when r.here is null or s.there is null then error('deepwatch:row count') else {{kept}} end
