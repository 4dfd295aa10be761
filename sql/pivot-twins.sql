-- A metric of long telemetry that has several values for the same keys; no row where there is none.
-- {{long}}, {{relation}}: as in pivot.sql.
-- {{keys}}: the names of the keys and of the metric.
-- Returns: m (text) and the number of its values.
select m, count(*) from (select {{long}} from {{relation}}) where m is not null group by {{keys}} having count(*) > 1 limit 1
