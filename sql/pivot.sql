-- Long telemetry as wide: a row for each combination of the other columns, a column for each metric.
-- {{selected}}: the keys k0, k1, ... and an aggregate per metric, as w0, w1, ...
-- {{long}}: the keys, the metric as m (text) and its value as v (double) of the source.
-- {{relation}}: the source.
-- {{keys}}: the names of the keys.
-- {{order}}: the names of the keys, the time first.
-- Returns: the keys and the metrics.
select {{selected}}
from (select {{long}} from {{relation}})
where m is not null
group by {{keys}}
order by {{order}}
