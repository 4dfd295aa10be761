-- The rows of the feature matrix in source order, for a source whose number of rows is known beforehand: the reader compares.
-- {{results}}: one expression per result over the columns of the source, micros, second_of_day and day_of_week.
-- {{columns}}: the columns of the source that are needed, as c0, c1, ...
-- {{relation}}: the source.
-- {{window}}: condition, or true.
-- {{micros}}: the time in epoch microseconds as double, NaN for null; null when nobody needs it.
-- {{offset}}: seconds that local time is ahead of UTC at the epoch second `second`, by the zone's own transitions.
-- Returns: the results. second_of_day is 0 to 86399 of the local day, day_of_week 0 (Monday) to 6; both are whole doubles, NaN for NaN.
select {{results}}
from (
  select *, local - 86400 * day as second_of_day, day + 3 - 7 * floor((day + 3) / 7) as day_of_week
  from (
    select *, floor(local / 86400) as day
    from (
      select *, second + {{offset}} as local
      from (
        select *, floor(micros / 1000000) as second
        from (select *, {{micros}} as micros from (select {{columns}} from {{relation}}) where {{window}})
      )
    )
  )
)
