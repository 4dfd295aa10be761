-- Every row of a scored source, counted in three tables in one reading: by score, by stretch (of time, or of rows where there is
-- no time), and by local hour of the week. As many rows come back as there are groups, however many were read.
-- {{source}}: the columns of the source that are needed, as c0, c1, ...
-- {{relation}}: the source.
-- {{window}}: condition on the columns, or true.
-- {{place}}: what stretches are made of: epoch microseconds or the position (double, NaN for null).
-- {{offset}}: what local time is ahead of UTC at that time, in microseconds.
-- {{label}}: 1 or 0 as double, NaN for null.
-- $threshold: score above which a row is an anomaly (double).
-- $first, $width: where stretches begin and how long each is, in the unit of {{place}} (doubles).
-- $stretches: how many there are (double); what lies outside counts to the nearest.
-- Returns per group: table (0 score, 1 stretch, 2 hour), key (step of the score of 1/1000, null unscored; number of the stretch; hour
-- from Monday 0:00; integers), tail (100ths of -log10(1 - score) from a score of .99 on, integer), whether flagged (boolean, null but
-- in table 0), label (1, 0, -1 none, 2 neither, integer; null but in table 0), rows, scored rows, flagged rows, labelled rows
-- (integers), highest score and sum of scores (doubles or null).
select
  case when grouping(step) = 0 then 0 when grouping(stretch) = 0 then 1 else 2 end::integer,
  coalesce(step, stretch, hour)::integer, tail::integer, flagged, label::integer,
  count(*), count(score), count(*) filter (where above), count(*) filter (where marked), max(score), sum(score)
from (
  select score, above, above as flagged, label, label = 1 as marked,
    least(floor(score * 1000), 999)::integer as step,
    case when score >= 0.99 then floor(-100 * log10(greatest(1 - score, 1e-12)))::integer else 0 end as tail,
    case when not isnan(place) then least(greatest(floor((place - $first) / $width), 0), $stretches - 1)::integer end as stretch,
    case when not isnan(place) then (((floor((place + skew) / 3600e6)::bigint + 72) % 168 + 168) % 168)::integer end as hour
  from (
    select place, skew, case when isnan(score) then null else score end as score, not isnan(score) and score > $threshold as above,
      case when isnan(mark) then -1 when mark = 1 then 1 when mark = 0 then 0 else 2 end as label
    from (
      select {{place}} as place, {{offset}} as skew, {{label}} as mark, score_at(position) as score
      from (
        select *, row_number() over () - 1 as position
        from (select {{source}} from {{relation}})
        where {{window}}
      )
    )
  )
)
group by grouping sets ((step, tail, flagged, label), (stretch), (hour))
order by 1, 2, 3, 4, 5
