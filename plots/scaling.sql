-- scaling.sql: time over N of each shape of weights: default, tuned, rivals, and the two ceilings.
--
-- A problem that `hone bench` has timed is drawn from its newest rows, others from the winners of
-- `hone tune`. `costs (problem_id, class, bytes, operations)` is put before these tables by the program.
WITH timed AS (
    SELECT *, max(bench_id) OVER (PARTITION BY device_id, problem_id, class) AS newest
      FROM (SELECT *, row_number() OVER (PARTITION BY device_id, problem_id, class, profile
                                             ORDER BY bench_id DESC) AS age
              FROM benches
             WHERE profile IN ('default', 'tuned') AND outcome = 'ok' AND time_ns > 0)
     WHERE age = 1),
won AS (
    SELECT * FROM winners w
     WHERE is_latest
       AND NOT EXISTS (SELECT 1 FROM timed t
                        WHERE t.device_id = w.device_id AND t.problem_id = w.problem_id
                          AND t.class = w.class)),
ceilings AS (
    SELECT device_id, problem_id, class, max(gbps) AS gbps, max(gflops) AS gflops
      FROM (SELECT device_id, problem_id, class,
                   iif(json_valid(row), CAST(row ->> '$.ceiling_gbps' AS REAL), NULL) AS gbps,
                   iif(json_valid(row), CAST(row ->> '$.ceiling_gflops' AS REAL), NULL) AS gflops
              FROM timed
             UNION ALL
            SELECT device_id, problem_id, class, ceiling_gbps, ceiling_gflops FROM won)
     GROUP BY device_id, problem_id, class),
points AS (
    SELECT device_id, problem_id, class, iif(profile = 'tuned', 1, 2) AS place, profile AS series,
           time_ns, low_ns, high_ns, share
      FROM timed
     UNION ALL
    SELECT device_id, problem_id, class, 1, 'tuned', time_ns, low_ns, high_ns, share FROM won
     UNION ALL
    SELECT device_id, problem_id, class, 2, 'default', default_ns, NULL, NULL, NULL FROM won
     UNION ALL
    SELECT device_id, problem_id, class, 3,
           replace(replace(rival, 'clblast', 'CLBlast'), 'openblas', 'OpenBLAS'), r.time_ns,
           NULL, NULL, NULL
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
SELECT iif(n_devices > 1, 'device' || device_id || '-', '') || shape || '-' || class AS panel,
       iif(n_devices > 1, 'device ' || device_id || ', ', '') || family || ' '
           || replace(shape, ',', ' ') || ', class ' || class AS title,
       coalesce('Tuned reaches ' || printf('%.0f', 100 * share_low) || ' to '
                || printf('%.0f', 100 * share_high) || ' % of the ceiling'
                || coalesce('; it is ' || said, '') || '.', '') AS note,
       series, n, time_ns / 1e9 AS time_s, low_ns / 1e9 AS low_s, high_ns / 1e9 AS high_s,
       operations / time_ns AS gflops, operations / high_ns AS low_gflops,
       operations / low_ns AS high_gflops
  FROM shaped
  JOIN told USING (device_id, family, shape, class)
  JOIN (SELECT device_id, count(*) OVER () AS n_devices FROM devices) USING (device_id)
  LEFT JOIN gains USING (device_id, family, shape, class)
 WHERE turn <= 2 -- the richest shapes; the table of winners has them all
 ORDER BY device_id, turn, panel, place, series, n;
