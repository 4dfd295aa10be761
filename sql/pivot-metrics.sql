-- The metrics of long telemetry.
-- {{long}}, {{relation}}: as in pivot.sql.
-- {{max}}: how many are told at most.
-- Returns: m (text), in no order.
select distinct m from (select {{long}} from {{relation}}) where m is not null limit {{max}}
