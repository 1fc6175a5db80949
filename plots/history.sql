-- history.sql: the runs of `hone bench` of a problem one after the other, also over changes of the driver, and
-- the levels between which they stepped (base/levels.h).
WITH runs AS (
    SELECT d.model, min(d.device_id) OVER same AS device_id, problem_id, class, profile, bench_id,
           d.device_id AS own_id, time_ns, low_ns, high_ns, unix_s,
           row_number() OVER (PARTITION BY d.model, problem_id, class, profile ORDER BY bench_id)
               AS run
      FROM benches
      JOIN devices d USING (device_id)
     WHERE profile IN ('default', 'tuned') AND outcome = 'ok' AND time_ns > 0
    WINDOW same AS (PARTITION BY d.model)),
-- Up to four days are written below, each once.
fitted AS (
    SELECT *, lag(level_ns) OVER line AS before_ns, lag(day_of, apart) OVER line AS day_before,
           count(*) OVER (PARTITION BY model, problem_id, class, profile) AS n_runs
      FROM (SELECT *, date(unix_s, 'unixepoch') AS day_of,
                   max(1, (max(run) OVER (PARTITION BY model, problem_id, class) + 3) / 4) AS apart
              FROM runs)
      JOIN levels USING (bench_id)
    WINDOW line AS (PARTITION BY model, problem_id, class, profile ORDER BY run)),
-- The problems that were timed most often.
chosen AS (
    SELECT model, problem_id, class, count(*) AS n,
           row_number() OVER (PARTITION BY model ORDER BY max(n_runs) DESC, problem_id, class) AS place
      FROM fitted
     GROUP BY model, problem_id, class
    HAVING max(n_runs) >= 5),
told AS (
    SELECT model, problem_id, class,
           group_concat(printf('%s %.0f %% %s at run %d (%s)', profile,
                               100 * abs(level_ns / before_ns - 1),
                               iif(level_ns > before_ns, 'slower', 'faster'), run,
                               day_of), '; ') AS said
      FROM (SELECT * FROM fitted WHERE level_ns <> before_ns ORDER BY run DESC)
     GROUP BY model, problem_id, class)
SELECT slug || problem || '-' || class AS panel,
       prefix || family || ' ' || replace(problem, ',', ' ') || ', class ' || class AS title,
       coalesce('Steps: ' || substr(said, 1, 240) || '.', 'No step was found.') AS note,
       machine, day || 'n = ' || chosen.n AS footer, profile AS series, run, time_ns / 1e9 AS time_s,
       low_ns / 1e9 AS low_s, high_ns / 1e9 AS high_s, level_ns / 1e9 AS level_s,
       iif((run - 1) % apart = 0 AND day_of IS NOT day_before, day_of, char(160)) AS day_label
  FROM fitted
  JOIN chosen USING (model, problem_id, class)
  JOIN shapes USING (problem_id)
  JOIN machines USING (device_id)
  LEFT JOIN told USING (model, problem_id, class)
 WHERE place <= 3
 ORDER BY device_id, place, profile DESC, run;
