-- How the values of columns go on from row to row of an entity, over the first rows of the window.
-- {{counts}}: per column two counts over its steps s0, s1, ...: those up, and those down.
-- {{steps}}: the steps from the row before, by the window w.
-- {{values}}: the columns as doubles, as v0, v1, ...
-- {{micros}}: the time in epoch microseconds as double; a constant without one.
-- {{entity}}: the text of the entity, or null.
-- {{columns}}, {{relation}}, {{window}}: as in features.sql.
-- {{max}}: how many rows are looked at.
-- Returns one row of doubles.
select {{counts}}
from (
  select {{steps}}
  from (
    select {{values}}, {{micros}} as t, {{entity}} as entity, row_number() over () as place
    from (select {{columns}} from {{relation}})
    where {{window}}
    limit {{max}}
  )
  window w as (partition by entity order by t, place)
)
