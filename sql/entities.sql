-- The entities of the rows in the window, with their rows. Rows without an entity, and names that are too long, are not told.
-- {{entity}}: the text of the entity.
-- {{columns}}, {{relation}}, {{window}}: as in features.sql.
-- {{bytes}}: longest name in bytes.
-- {{max}}: how many entities are told at most.
-- Returns: name (varchar) and rows (bigint), in no order.
select entity, count(*)
from (select {{entity}} as entity from (select {{columns}} from {{relation}}) where {{window}})
where entity is not null and strlen(entity) between 1 and {{bytes}}
group by entity
limit {{max}}
