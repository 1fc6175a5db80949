-- search.sql: best so far of the newest session of each strategy, beside what random draws from the same
-- configurations would have found. A share of the speed of the best that is known.
WITH sessions_of AS (
    SELECT device_id, problem_id, class, strategy, max(session_id) AS session_id
      FROM measurements
      JOIN subjects USING (device_id, problem_id, class)
     WHERE outcome = 'ok'
     GROUP BY device_id, problem_id, class, strategy),
runs AS (
    SELECT *, lag(best_ns) OVER (run ORDER BY evaluations) AS before_ns,
           max(evaluations) OVER run AS last
      FROM (SELECT device_id, problem_id, class, strategy,
                   row_number() OVER ordered AS evaluations,
                   min(coalesce(race_ns, time_ns)) FILTER (WHERE outcome = 'ok') OVER ordered
                       AS best_ns
              FROM measurements
              LEFT JOIN raced USING (evaluation_id)
              JOIN sessions_of USING (device_id, problem_id, class, strategy, session_id)
             WHERE outcome <> 'running'
            WINDOW ordered AS (PARTITION BY device_id, problem_id, class, strategy
                                   ORDER BY sequence))
    WINDOW run AS (PARTITION BY device_id, problem_id, class, strategy)),
-- Of n draws, with replacement, from M configurations by speed, the best is number i with probability
-- ((M - i + 1) / M)^n - ((M - i) / M)^n. What failed has no speed.
ranked AS (
    SELECT device_id, problem_id, class, coalesce(best_ns / time_ns, 0) AS speed,
           row_number() OVER (PARTITION BY device_id, problem_id, class
                                  ORDER BY coalesce(best_ns / time_ns, 0) DESC) AS i,
           n_configs AS m
      FROM measured
      JOIN subjects USING (device_id, problem_id, class)),
draws (n) AS (
    SELECT 1
     UNION ALL
    SELECT max(n + 1, CAST(n * 1.2 AS INTEGER)) FROM draws
     WHERE n < (SELECT max(last) FROM runs)),
expected AS (
    SELECT device_id, problem_id, class, n,
           sum(speed * (pow(1.0 * (m - i + 1) / m, n) - pow(1.0 * (m - i) / m, n))) AS speed
      FROM ranked, draws
     WHERE n <= m
     GROUP BY device_id, problem_id, class, n),
lines AS (
    SELECT device_id, problem_id, class, 1 AS place, strategy AS series, evaluations,
           best_ns AS seen_ns, NULL AS speed
      FROM runs
     WHERE best_ns IS NOT NULL
       AND (before_ns IS NULL OR best_ns < before_ns OR evaluations = last)
     UNION ALL
    SELECT device_id, problem_id, class, 2, 'random draws', n, NULL, speed FROM expected),
told AS (
    SELECT device_id, problem_id, class,
           group_concat(series || iif(reached IS NULL, ' never', ' after ' || reached), ', ') AS said
      FROM (SELECT device_id, problem_id, class, lines.place AS place, series,
                   min(evaluations) FILTER (WHERE coalesce(speed, best_ns / seen_ns) >= 0.95)
                       AS reached
              FROM lines
              JOIN subjects USING (device_id, problem_id, class)
             GROUP BY device_id, problem_id, class, lines.place, series
             ORDER BY lines.place, series)
     GROUP BY device_id, problem_id, class)
SELECT panel, title, 'Within 5 % of the best: ' || said || '.' AS note, machine, footer, series,
       evaluations, round(100 * coalesce(speed, best_ns / seen_ns), 3) AS percent
  FROM lines
  JOIN subjects USING (device_id, problem_id, class)
  JOIN told USING (device_id, problem_id, class)
 ORDER BY device_id, subjects.place, lines.place, series, evaluations;
