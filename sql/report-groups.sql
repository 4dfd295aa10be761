-- Every row of a scored source, counted in two tables in one reading: by score, and by stretch (of time, or of rows where there is
-- no time). As many rows come back as there are groups, however many were read.
-- {{source}}: the columns of the source that are needed, as c0, c1, ...
-- {{relation}}: the source.
-- {{window}}: condition on the columns, or true.
-- {{stretch}}: number of the stretch a row is in (integer), null for none.
-- {{label}}: 1, 0, 2 for null, 3 for a value that is no label (integer).
-- $threshold: score above which a row is an anomaly (double).
-- Returns per group: stretch (integer, null in the other table); the score, packed into one integer that rises with it: step of
-- 1/1000, times 2,048, plus 100ths of -log10(1 - score) from a score of .99 on, times 8, plus 4 where flagged, plus the label; null in the
-- other table, below 0 where there is no score; rows, scored rows, rows labelled 1 (integers), highest score and sum of scores
-- (doubles or null).
select stretch, place, count(*), count(score), count(*) filter (where label = 1), max(score), sum(score)
from (
  select stretch, score, label,
    case when score is null then label - 8 else
      (least(floor(score * 1000), 999)::integer * 2048
        + case when score >= 0.99 then floor(-100 * log10(greatest(1 - score, 1e-12)))::integer else 0 end) * 8
      + case when score > $threshold then 4 else 0 end + label end as place
  from (
    select stretch, label, case when isnan(score) then null else score end as score
    from (
      select {{stretch}} as stretch, {{label}} as label, score_at(position) as score
      from (
        select *, row_number() over () - 1 as position
        from (select {{source}} from {{relation}})
        where {{window}}
      )
    )
  )
)
group by grouping sets ((place), (stretch))
order by 2, 1
