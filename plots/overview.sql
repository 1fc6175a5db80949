-- overview.sql: how much was measured, when; one row.
SELECT (SELECT count(*) FROM evaluations WHERE outcome <> 'running') AS evaluations,
       (SELECT count(*) FROM evaluations WHERE outcome NOT IN ('running', 'ok', 'abandoned'))
           AS failed,
       (SELECT count(*) FROM benches) AS benches,
       (SELECT count(*) FROM sessions) AS sessions,
       (SELECT total(spent_ns) / 1e9 FROM sessions) AS seconds,
       date(min(unix_s), 'unixepoch') AS first_day, date(max(unix_s), 'unixepoch') AS last_day
  FROM (SELECT unix_s FROM evaluations WHERE outcome <> 'running'
         UNION ALL
        SELECT unix_s FROM benches);
