-- tables.sql: what the queries of the figures share. The program puts these tables behind the WITH of each
-- query, and before them its own:
--
--   costs (problem_id, class, bytes, operations)   as the families count them
--   levels (bench_id, level_ns)                    the level of a run's stretch of like runs
--   asked (x, y)                                   parameters of --heat, else NULL
--   operations (file, model, place, name, times, family, problem, class, layout)
--                                                  of --model, at N = 1; model is the device's
--
-- A table that a query does not use costs nothing.
WITH machines AS (
    SELECT device_id, iif(count(*) OVER () > 1, 'device' || device_id || '-', '') AS slug,
           iif(count(*) OVER () > 1, 'device ' || device_id || ', ', '') AS prefix,
           substr(name, 1, 36) || ', driver '
               || substr(version, 1, min(24, instr(version || '|', '|') - 1)) AS machine,
           coalesce('last measured ' || date((SELECT max(unix_s)
                                           FROM (SELECT unix_s FROM evaluations e
                                                  WHERE e.device_id = d.device_id
                                                  UNION ALL
                                                 SELECT unix_s FROM benches b
                                                  WHERE b.device_id = d.device_id)), 'unixepoch') || ', ', '') AS day
      FROM devices d),

-- ---- the best that is known of a problem ----

-- The newest row of `hone bench` for each profile.
timed AS (
    SELECT *, max(bench_id) OVER (PARTITION BY device_id, problem_id, class) AS newest
      FROM (SELECT *, row_number() OVER (PARTITION BY device_id, problem_id, class, profile
                                             ORDER BY bench_id DESC) AS age
              FROM benches
             WHERE profile IN ('default', 'tuned') AND outcome = 'ok' AND time_ns > 0)
     WHERE age = 1),
-- Where there is none, the winner of `hone tune`.
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

-- ---- what a search has seen of a problem ----

-- Finalists are measured again, side by side: at another time than all others, with which those times cannot
-- be compared on a busy machine. This is what they took in the race; all others' time is of the race.
raced AS MATERIALIZED (
    SELECT evaluation_id, avg(time_ns) AS race_ns
      FROM (SELECT evaluation_id, s.time_ns,
                   row_number() OVER (PARTITION BY evaluation_id ORDER BY s.time_ns) AS place,
                   count(*) OVER (PARTITION BY evaluation_id) AS n
              FROM evaluations
              JOIN samples s USING (evaluation_id)
             WHERE is_final AND round = 0)
     WHERE 2 * place BETWEEN n AND n + 2 -- the median
     GROUP BY evaluation_id),
-- The newest measurement of every configuration that was tried.
measured AS MATERIALIZED (
    SELECT *
      FROM (SELECT evaluation_id, device_id, problem_id, family, problem, class, layout, variant,
                   config, outcome, coalesce(race_ns, time_ns) AS time_ns, nmse,
                   max(is_default) OVER same AS is_default,
                   row_number() OVER (same ORDER BY evaluation_id DESC) AS age
              FROM measurements
              LEFT JOIN raced USING (evaluation_id)
             WHERE outcome <> 'running'
               AND coalesce(conditions, '') NOT LIKE '%"ragged":true%' -- told from another problem: no time of this one
            WINDOW same AS (PARTITION BY device_id, problem_id, class, layout, variant, config))
     WHERE age = 1),
-- The three problems of a device that were searched most: the others look alike.
subjects AS MATERIALIZED (
    SELECT *, slug || problem || '-' || class AS panel,
           prefix || family || ' ' || replace(problem, ',', ' ') || ', class ' || class AS title,
           day || 'n = ' || n_configs AS footer
      FROM (SELECT device_id, problem_id, class, family, problem, count(*) AS n_configs,
                   count(*) FILTER (WHERE time_ns IS NULL) AS n_failed,
                   min(time_ns) FILTER (WHERE outcome = 'ok') AS best_ns,
                   row_number() OVER (PARTITION BY device_id
                                          ORDER BY count(*) DESC, problem_id, class) AS place
              FROM measured
             GROUP BY device_id, problem_id, class
            HAVING count(*) FILTER (WHERE outcome = 'ok') >= 8)
      JOIN machines USING (device_id)
     WHERE place <= 3),
-- A row for each parameter of each of their configurations; layout and variant are parameters like others.
-- A configuration is text, P=V,P=V: made JSON, and left out where that fails.
settings AS MATERIALIZED (
    SELECT evaluation_id, device_id, problem_id, class, outcome, time_ns, key AS parameter,
           CAST(value AS TEXT) AS value
      FROM (SELECT *, '{"' || replace(replace(config, '=', '":"'), ',', '","')
                           || '","variant":"' || variant || '","layout":"' || layout || '"}' AS object
              FROM measured
              JOIN subjects USING (device_id, problem_id, class)),
           json_each(iif(json_valid(object), object, '{}'))),
-- How much of the variance of ln(time) the values of a parameter explain: eta squared, 0 to 1, times the part
-- of the configurations that have the parameter.
effects AS MATERIALIZED (
    SELECT device_id, problem_id, class, parameter,
           sum(n) / (1.0 * max(n_configs) - max(n_failed))
               * (sum(s * s / n) - sum(s) * sum(s) / sum(n))
               / nullif(sum(ss) - sum(s) * sum(s) / sum(n), 0) AS effect
      FROM (SELECT device_id, problem_id, class, parameter, value, count(*) AS n,
                   sum(ln(time_ns)) AS s, sum(ln(time_ns) * ln(time_ns)) AS ss
              FROM settings
             WHERE time_ns IS NOT NULL
             GROUP BY device_id, problem_id, class, parameter, value)
      JOIN subjects USING (device_id, problem_id, class)
     GROUP BY device_id, problem_id, class, parameter
    HAVING count(*) >= 2)
