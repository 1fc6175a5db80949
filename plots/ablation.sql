-- ablation.sql: the winner without each of its choices: the best speed seen with another value of one
-- parameter, all others free, and the speed with nothing else changed where that was tried. The other value is
-- the default's where it differs, else the best one.
WITH won_settings AS (
    SELECT s.device_id, s.problem_id, s.class, w.variant, parameter, value, m.time_ns AS won_ns
      FROM winners w
      JOIN measured m USING (device_id, problem_id, class, layout, variant, config)
      JOIN settings s ON s.evaluation_id = m.evaluation_id
     WHERE is_latest),
default_settings AS (
    SELECT s.device_id, s.problem_id, s.class, parameter, value
      FROM measured m
      JOIN settings s USING (evaluation_id)
     WHERE m.is_default),
-- How many parameters of the winner a configuration of its variant has otherwise.
distance AS (
    SELECT s.evaluation_id, sum(s.value <> w.value) AS n_changed
      FROM settings s
      JOIN won_settings w USING (device_id, problem_id, class, parameter)
     GROUP BY s.evaluation_id),
others AS (
    SELECT w.device_id, w.problem_id, w.class, parameter, w.value AS won_value, s.value, won_ns,
           min(s.time_ns) AS best_ns,
           min(s.time_ns) FILTER (WHERE n_changed = 1) AS alone_ns,
           s.value = (SELECT value FROM default_settings d
                       WHERE d.device_id = w.device_id AND d.problem_id = w.problem_id
                         AND d.class = w.class AND d.parameter = w.parameter) AS is_default
      FROM won_settings w
      JOIN settings s USING (device_id, problem_id, class, parameter)
      JOIN distance USING (evaluation_id)
     WHERE s.value <> w.value AND s.time_ns IS NOT NULL
     GROUP BY w.device_id, w.problem_id, w.class, parameter, s.value),
chosen AS (
    SELECT *, row_number() OVER (PARTITION BY device_id, problem_id, class ORDER BY best_ns DESC,
                                                                                parameter) AS bar
      FROM (SELECT *, row_number() OVER (PARTITION BY device_id, problem_id, class, parameter
                                             ORDER BY is_default DESC, best_ns, value) AS turn
              FROM others)
     WHERE turn = 1),
shown AS (
    SELECT * FROM chosen WHERE bar <= 12)
SELECT panel, title,
       (SELECT printf('%s = %s instead of %s costs most: %.0f %% of the speed is left.',
                      substr(parameter, 1, 16), substr(value, 1, 16), substr(won_value, 1, 16),
                      100 * won_ns / s.best_ns)
          FROM shown s
         WHERE s.device_id = shown.device_id AND s.problem_id = shown.problem_id
           AND s.class = shown.class AND bar = 1) AS note,
       machine, footer, 'the best with it' AS series, bar,
       substr(parameter, 1, 8) || ' ' || substr(won_value, 1, 8) || ' → ' || substr(value, 1, 8)
           AS label,
       round(100 * won_ns / shown.best_ns, 3) AS percent,
       round(100 * won_ns / alone_ns, 3) AS alone_percent
  FROM shown
  JOIN subjects USING (device_id, problem_id, class)
 ORDER BY device_id, subjects.place, bar;
