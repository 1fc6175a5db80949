-- parallel.sql: parallel coordinates of the best hundred configurations: their speed, and the parameters in
-- which they differ, those that explain most first; a line a configuration.
WITH best AS (
    SELECT device_id, problem_id, class, evaluation_id, best_ns / time_ns AS share,
           row_number() OVER (PARTITION BY device_id, problem_id, class
                                  ORDER BY time_ns, evaluation_id) AS turn
      FROM measured
      JOIN subjects USING (device_id, problem_id, class)
     WHERE outcome = 'ok'),
chosen AS (
    SELECT s.device_id, s.problem_id, s.class, s.evaluation_id, parameter, value, share, turn
      FROM settings s
      JOIN best USING (evaluation_id)
     WHERE turn <= 100),
axes AS (
    SELECT *, row_number() OVER (PARTITION BY device_id, problem_id, class
                                     ORDER BY effect DESC, parameter) AS axis
      FROM (SELECT device_id, problem_id, class, parameter, count(DISTINCT value) AS n_values
              FROM chosen
             GROUP BY device_id, problem_id, class, parameter
            HAVING count(DISTINCT value) BETWEEN 2 AND 12)
      JOIN effects USING (device_id, problem_id, class, parameter)),
-- Values at even distances from 0 to 1; lines with the same one lie close beside each other.
placed AS (
    SELECT device_id, problem_id, class, parameter, value, axis, axes.n_values, turn, share,
           (dense_rank() OVER (PARTITION BY device_id, problem_id, class, parameter
                                   ORDER BY CAST(value AS REAL), value) - 1.0)
               / (axes.n_values - 1) AS y
      FROM chosen
      JOIN axes USING (device_id, problem_id, class, parameter)
     WHERE axis <= 6),
speeds AS (
    SELECT device_id, problem_id, class, min(share) AS low, count(*) AS n_best
      FROM best
     WHERE turn <= 100
     GROUP BY device_id, problem_id, class
    HAVING min(share) < 1),
shown AS (
    SELECT device_id, problem_id, class, 1 AS place, 'lines' AS series, turn AS line, axis,
           y + 0.05 * ((turn * 37) % 100 / 100.0 - 0.5) AS y, 100 * share AS percent, NULL AS label
      FROM placed
     UNION ALL
    SELECT device_id, problem_id, class, 1, 'lines', turn, 0, (share - low) / (1 - low),
           100 * share, NULL
      FROM best
      JOIN speeds USING (device_id, problem_id, class)
     WHERE turn <= 100
     UNION ALL
    SELECT DISTINCT device_id, problem_id, class, 2, 'values', 0, axis, y, NULL,
                    substr(value, 1, 8)
      FROM placed
     UNION ALL
    SELECT device_id, problem_id, class, 2, 'values', 0, 0, y, NULL,
           printf('%.0f %%', 100 * (low + y * (1 - low)))
      FROM speeds, (SELECT 0.0 AS y UNION ALL SELECT 0.5 UNION ALL SELECT 1.0)
     UNION ALL
    SELECT DISTINCT device_id, problem_id, class, 3, 'axes', 0, axis, -0.12, NULL,
                    substr(parameter, 1, 8)
      FROM placed
     UNION ALL
    SELECT device_id, problem_id, class, 3, 'axes', 0, 0, -0.12, NULL, 'speed' FROM speeds)
SELECT panel, title,
       printf('The best %d of %d; the slowest of them has %.0f %% of the speed of the best.', n_best,
              n_configs, 100 * low) AS note,
       machine, day || 'n = ' || n_best AS footer, series, line, axis, round(y, 4) AS y,
       round(percent, 3) AS percent, label
  FROM shown
  JOIN subjects USING (device_id, problem_id, class)
  JOIN speeds USING (device_id, problem_id, class)
 WHERE EXISTS (SELECT 1 FROM placed p
                WHERE p.device_id = shown.device_id AND p.problem_id = shown.problem_id
                  AND p.class = shown.class AND p.axis = 2)
 ORDER BY device_id, subjects.place, shown.place, iif(series = 'lines', -line, 0), axis, y;
