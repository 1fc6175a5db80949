-- scaling.sql: time over N of each shape of weights: default, tuned, rivals, and the two ceilings.
--
-- A problem that `hone bench` has timed is drawn from its newest rows, others from the winners of
-- `hone tune`; see tables.sql.
WITH points AS (
    SELECT device_id, problem_id, class, iif(profile = 'tuned', 1, 2) AS place, profile AS series,
           time_ns, low_ns, high_ns, share
      FROM timed
     UNION ALL
    SELECT device_id, problem_id, class, 1, 'tuned', time_ns, low_ns, high_ns, share FROM won
     UNION ALL
    SELECT device_id, problem_id, class, 2, 'default', default_ns, NULL, NULL, NULL FROM won
     UNION ALL
    SELECT device_id, problem_id, class, 3,
           replace(replace(replace(rival, 'clblast', 'CLBlast'), 'openblas', 'OpenBLAS'), '_', ' '),
           r.time_ns, NULL, NULL, NULL
      FROM rivals r
      JOIN timed t USING (bench_id)
     WHERE bench_id = newest
     UNION ALL
    SELECT device_id, problem_id, class, 4, 'bandwidth bound', bytes / gbps, NULL, NULL, NULL
      FROM ceilings
      JOIN costs USING (problem_id, class)
     UNION ALL
    SELECT device_id, problem_id, class, 5, 'compute bound', operations / gflops, NULL, NULL, NULL
      FROM ceilings
      JOIN costs USING (problem_id, class)),
-- The shape is the problem without its n.
shaped AS (
    SELECT points.*, family, w, m, k, n, replace(problem, ',n=' || n, '') AS shape, operations
      FROM points
      JOIN shapes USING (problem_id)
      LEFT JOIN costs USING (problem_id, class)
     WHERE n > 0 AND w IS NOT NULL AND time_ns > 0 AND time_ns < 1e15),
-- One line a shape: how many N it has, and what there is to say about it.
told AS (
    SELECT *, row_number() OVER (PARTITION BY device_id, family, w, class
                                     ORDER BY is_reference DESC, n_columns DESC, slowest DESC, shape)
                  AS turn
      FROM (SELECT device_id, family, w, class, shape,
                   max(m = 12288 AND k = 4096) AS is_reference,
                   count(DISTINCT n) FILTER (WHERE place <= 2) AS n_columns,
                   max(time_ns) FILTER (WHERE place <= 2) AS slowest,
                   min(share) FILTER (WHERE place = 1) AS share_low,
                   max(share) FILTER (WHERE place = 1) AS share_high
              FROM shaped
             GROUP BY device_id, family, w, class, shape)
     WHERE n_columns >= 2), -- one point is no line
-- "1.8 to 6.7 times as fast as default, 15.2 times as fast as CLBlast"
gains AS (
    SELECT device_id, family, shape, class, group_concat(said, ', ') AS said
      FROM (SELECT device_id, family, shape, class,
                   printf('%.1f', min(gain))
                       || coalesce(' to ' || nullif(printf('%.1f', max(gain)),
                                                    printf('%.1f', min(gain))), '')
                       || ' times as fast as ' || series AS said
              FROM (SELECT o.*, o.time_ns / t.time_ns AS gain
                      FROM shaped o
                      JOIN shaped t USING (device_id, problem_id, class)
                     WHERE o.place IN (2, 3) AND t.place = 1)
             GROUP BY device_id, family, shape, class, place, series
             ORDER BY place, series)
     GROUP BY device_id, family, shape, class)
SELECT slug || shape || '-' || class AS panel,
       prefix || family || ' ' || replace(shape, ',', ' ') || ', class ' || class AS title,
       machine, day || 'n = ' || count(*) FILTER (WHERE place <= 3)
                                  OVER (PARTITION BY device_id, family, shape, class) AS footer,
       coalesce('Tuned reaches ' || printf('%.0f', 100 * share_low) || ' to '
                || printf('%.0f', 100 * share_high) || ' % of the ceiling'
                || coalesce('; it is ' || said, '') || '.', '') AS note,
       series, n, time_ns / 1e9 AS time_s, low_ns / 1e9 AS low_s, high_ns / 1e9 AS high_s,
       operations / time_ns AS gflops, operations / high_ns AS low_gflops,
       operations / low_ns AS high_gflops
  FROM shaped
  JOIN told USING (device_id, family, shape, class)
  JOIN machines USING (device_id)
  LEFT JOIN gains USING (device_id, family, shape, class)
 WHERE turn <= 2 -- the richest shapes; the table of winners has them all
 ORDER BY device_id, turn, panel, place, series, n;
