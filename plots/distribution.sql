-- distribution.sql: how many of the configurations that were tried are how fast, as a share of the best
-- speed seen: bars of 5 %, stacked by variant.
WITH shares AS (
    SELECT device_id, problem_id, class, variant, is_default,
           min(1.0, best_ns / time_ns) AS share,
           min(19, CAST(20 * best_ns / time_ns AS INTEGER)) AS bin
      FROM measured
      JOIN subjects USING (device_id, problem_id, class)
     WHERE time_ns IS NOT NULL),
-- The variants in the order of their colours.
variants AS (
    SELECT *, row_number() OVER (PARTITION BY device_id, problem_id, class ORDER BY n DESC, variant)
                  AS place
      FROM (SELECT device_id, problem_id, class, variant, count(*) AS n FROM shares
             GROUP BY device_id, problem_id, class, variant)),
bars AS (
    SELECT *, sum(n_here) OVER (PARTITION BY device_id, problem_id, class, bin ORDER BY place)
                  - n_here AS base
      FROM (SELECT device_id, problem_id, class, min(place, 6) AS place,
                   iif(place <= 5, variant, 'others') AS series, bin, count(*) AS n_here
              FROM shares
              JOIN variants USING (device_id, problem_id, class, variant)
             GROUP BY device_id, problem_id, class, min(place, 6), bin)),
shown AS (
    SELECT device_id, problem_id, class, place, series, 5 * bin AS low, base, base + n_here AS top,
           NULL AS percent
      FROM bars
     UNION ALL
    SELECT device_id, problem_id, class, 7, 'default', NULL, NULL, NULL, round(100 * max(share), 3)
      FROM shares
     WHERE is_default
     GROUP BY device_id, problem_id, class),
told AS (
    SELECT device_id, problem_id, class, count(*) AS n, sum(share >= 0.9) AS n_good
      FROM shares
     GROUP BY device_id, problem_id, class)
SELECT panel, title,
       printf('%d of %d are within 10 %% of the best%s.', n_good, n,
              iif(n_failed > 0, printf('; %d more failed', n_failed), '')) AS note,
       machine, footer, series, low, base, top, percent
  FROM shown
  JOIN subjects USING (device_id, problem_id, class)
  JOIN told USING (device_id, problem_id, class)
 ORDER BY device_id, subjects.place, shown.place, series, low;
