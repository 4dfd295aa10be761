-- The typical step from a row of an entity to its next: the median of the steps between the first rows of the window, those
-- at the same time not counted; and the share of these.
-- {{micros}}: the time in epoch microseconds as double, NaN for null.
-- {{entity}}: the text of the entity, or null.
-- {{columns}}, {{relation}}, {{window}}: as in features.sql.
-- {{max}}: how many rows are looked at.
-- Returns: microseconds as a double, and a share, or null.
select quantile_disc(step, 0.5) filter (where step > 0), avg((step = 0)::int) filter (where step is not null)
from (
  select t - lag(t) over (partition by entity order by t) as step
  from (select {{micros}} as t, {{entity}} as entity from (select {{columns}} from {{relation}}) where {{window}} limit {{max}})
  where not isnan(t) and not isinf(t)
)
