-- pareto.sql: time and error of every configuration that was right, and those that nothing beats in both.
-- The error is the root of the NMSE against the reference of the class; one of zero is drawn at 1e-9.
WITH points AS (
    SELECT device_id, problem_id, class, variant, time_ns, max(1e-9, sqrt(nmse)) AS error
      FROM measured
     WHERE outcome = 'ok' AND nmse >= 0),
fronts AS (
    SELECT device_id, problem_id, class, time_ns, error
      FROM (SELECT *, min(error) OVER (PARTITION BY device_id, problem_id, class
                                           ORDER BY time_ns, error
                                           ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
              FROM points)
     WHERE before IS NULL OR error < before),
variants AS (
    SELECT *, row_number() OVER (PARTITION BY device_id, problem_id, class ORDER BY n DESC, variant)
                  AS place
      FROM (SELECT device_id, problem_id, class, variant, count(*) AS n FROM points
             GROUP BY device_id, problem_id, class, variant)),
shown AS (
    SELECT device_id, problem_id, class, min(place, 6) AS place,
           iif(place <= 5, variant, 'others') AS series, time_ns, error
      FROM points
      JOIN variants USING (device_id, problem_id, class, variant)
     UNION ALL
    SELECT device_id, problem_id, class, 7, 'front', time_ns, error FROM fronts)
SELECT panel, title,
       (SELECT printf('%d on the front; the errors span a factor of %.1f.', count(*),
                      (SELECT max(error) / min(error) FROM points p
                        WHERE p.device_id = shown.device_id AND p.problem_id = shown.problem_id
                          AND p.class = shown.class))
          FROM fronts f
         WHERE f.device_id = shown.device_id AND f.problem_id = shown.problem_id
           AND f.class = shown.class) AS note,
       machine, footer, series, time_ns / 1e9 AS time_s, error
  FROM shown
  JOIN subjects USING (device_id, problem_id, class)
 WHERE (SELECT max(error) / min(error) FROM points p
         WHERE p.device_id = shown.device_id AND p.problem_id = shown.problem_id
           AND p.class = shown.class) >= 1.2 -- else there is nothing to trade
 ORDER BY device_id, subjects.place, shown.place, series, time_ns, error;
