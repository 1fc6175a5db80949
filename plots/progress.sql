-- progress.sql: best so far of every problem of a session, over evaluations and over its seconds, as a
-- share of the speed that the session ended with. A row where the best changes, and the last one.
WITH steps AS (
    SELECT session_id, device_id, strategy, problem_id, problem, class, sequence, outcome,
           family || coalesce(' ' || w, '') || ' ' || class AS kind,
           row_number() OVER run AS evaluations,
           sum(wall_ns) OVER run / 1e9 AS seconds,
           min(time_ns) FILTER (WHERE outcome = 'ok') OVER run AS best_ns
      FROM measurements
     WHERE outcome <> 'running'
    WINDOW run AS (PARTITION BY session_id, problem_id, class ORDER BY sequence)),
judged AS (
    SELECT *, min(best_ns) OVER problem_of AS final_ns,
           max(evaluations) OVER problem_of AS last,
           lag(best_ns) OVER (problem_of ORDER BY sequence) AS before_ns
      FROM steps
    WINDOW problem_of AS (PARTITION BY session_id, problem_id, class)),
-- When the problems of a session were within 5 % of the time they ended with.
near AS (
    SELECT session_id, count(*) AS n_problems, max(evaluations) AS latest, max(seconds) AS latest_s,
           max(evaluations) FILTER (WHERE 2 * (place - 1) < n) AS half
      FROM (SELECT *, row_number() OVER (PARTITION BY session_id ORDER BY evaluations) AS place,
                   count(*) OVER (PARTITION BY session_id) AS n
              FROM (SELECT session_id, min(evaluations) AS evaluations, min(seconds) AS seconds
                      FROM judged
                     WHERE final_ns >= 0.95 * best_ns
                     GROUP BY session_id, problem_id, class))
     GROUP BY session_id),
-- The newest sessions of a device that have something to show.
chosen AS (
    SELECT *, row_number() OVER (PARTITION BY device_id ORDER BY session_id DESC) AS age
      FROM (SELECT session_id, device_id, max(last) AS most, count(*) AS n_evaluations
              FROM judged
             WHERE final_ns IS NOT NULL
             GROUP BY session_id, device_id)
     WHERE most >= 3),
-- A colour for each kind of problem; the five that take the most time have their own.
kinds AS (
    SELECT *, row_number() OVER (PARTITION BY session_id ORDER BY total_ns DESC, kind) AS place
      FROM (SELECT session_id, kind, sum(final_ns) AS total_ns
              FROM judged
             WHERE evaluations = last
             GROUP BY session_id, kind))
SELECT 'session' || session_id AS panel,
       prefix || 'session ' || session_id || ': ' || strategy || ', ' || n_problems
           || iif(n_problems = 1, ' problem', ' problems') AS title,
       machine, day || 'n = ' || n_evaluations AS footer,
       n_evaluations || ' evaluations. Within 5 % of the final time: '
           || iif(n_problems = 1, printf('after %d of them and %.1f s.', latest, latest_s),
                  printf('half of the problems after %d of their evaluations, all after %d; '
                             || 'none took more than %.1f s.', half, latest, latest_s))
           AS note,
       iif(place <= 5, kind, 'others') AS series, problem || ' ' || class AS line, evaluations,
       round(max(seconds, 1e-6), 6) AS seconds, best_ns / 1e9 AS best_s,
       round(100 * final_ns / best_ns, 3) AS percent
  FROM judged
  JOIN chosen USING (session_id, device_id)
  JOIN machines USING (device_id)
  JOIN near USING (session_id)
  JOIN kinds USING (session_id, kind)
 WHERE age <= 3 AND best_ns IS NOT NULL
   AND (before_ns IS NULL OR best_ns < before_ns OR evaluations = last)
 ORDER BY session_id DESC, min(place, 6), kind, problem_id, class, evaluations;
