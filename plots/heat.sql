-- heat.sql: the best time of each pair of values of two parameters, all others free; where nothing ran,
-- how it failed. The parameters are those asked for, else the two that explain most.
WITH ordered AS (
    SELECT *, row_number() OVER (PARTITION BY device_id, problem_id, class
                                     ORDER BY effect DESC, parameter) AS turn
      FROM effects),
pairs AS (
    SELECT device_id, problem_id, class,
           coalesce(asked.x, max(parameter) FILTER (WHERE turn = 1)) AS px,
           coalesce(asked.y, max(parameter) FILTER (WHERE turn = 2)) AS py
      FROM ordered, asked
     GROUP BY device_id, problem_id, class),
cells AS (
    SELECT device_id, problem_id, class, sx.value AS vx, sy.value AS vy, count(*) AS n,
           min(sx.time_ns) AS time_ns
      FROM pairs
      JOIN settings sx USING (device_id, problem_id, class)
      JOIN settings sy USING (device_id, problem_id, class, evaluation_id)
     WHERE sx.parameter = px AND sy.parameter = py AND px <> py
     GROUP BY device_id, problem_id, class, sx.value, sy.value),
-- The commonest failure of a cell in which nothing ran.
failures AS (
    SELECT *
      FROM (SELECT device_id, problem_id, class, sx.value AS vx, sy.value AS vy, sx.outcome,
                   row_number() OVER (PARTITION BY device_id, problem_id, class, sx.value, sy.value
                                          ORDER BY count(*) DESC, sx.outcome) AS turn
              FROM pairs
              JOIN settings sx USING (device_id, problem_id, class)
              JOIN settings sy USING (device_id, problem_id, class, evaluation_id)
             WHERE sx.parameter = px AND sy.parameter = py AND sx.time_ns IS NULL
             GROUP BY device_id, problem_id, class, sx.value, sy.value, sx.outcome)
     WHERE turn = 1),
places AS (
    SELECT *, dense_rank() OVER (PARTITION BY device_id, problem_id, class
                                     ORDER BY CAST(vx AS REAL), vx) AS x,
           dense_rank() OVER (PARTITION BY device_id, problem_id, class
                                  ORDER BY CAST(vy AS REAL), vy) AS y
      FROM cells),
-- Too many values are no picture.
grids AS (
    SELECT device_id, problem_id, class, max(x) AS nx, max(y) AS ny, max(n) AS most
      FROM places
     GROUP BY device_id, problem_id, class
    HAVING max(x) BETWEEN 2 AND 12 AND max(y) BETWEEN 2 AND 12)
SELECT panel, title,
       printf('%s explains %.0f %% of the spread of the times, %s %.0f %%.', substr(px, 1, 24),
              100 * coalesce((SELECT effect FROM effects e
                               WHERE e.device_id = p.device_id AND e.problem_id = p.problem_id
                                 AND e.class = p.class AND parameter = px), 0), substr(py, 1, 24),
              100 * coalesce((SELECT effect FROM effects e
                               WHERE e.device_id = p.device_id AND e.problem_id = p.problem_id
                                 AND e.class = p.class AND parameter = py), 0)) AS note,
       machine, footer, px AS x_title, py AS y_title,
       iif(p.time_ns IS NULL, outcome, 'measured') AS series,
       x, y, substr(vx, 1, 8) AS x_label, substr(vy, 1, 8) AS y_label,
       round(100 * best_ns / p.time_ns, 3) AS percent, p.n AS n
  FROM places p
  JOIN grids USING (device_id, problem_id, class)
  JOIN pairs USING (device_id, problem_id, class)
  JOIN subjects USING (device_id, problem_id, class)
  LEFT JOIN failures USING (device_id, problem_id, class, vx, vy)
 ORDER BY device_id, subjects.place, p.time_ns IS NULL, series, x, y;
