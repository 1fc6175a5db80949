-- token.sql: where the time of one token goes: the operations of a model's plan, each as often as it runs, at
-- the best time that is known of its problem in this class and layout. `operations` are those of --model.
WITH priced AS (
    SELECT o.file, o.place, o.name, o.times, o.family, o.problem, o.class, d.device_id,
           coalesce(
               (SELECT time_ns FROM winners w
                  JOIN problems p USING (problem_id)
                 WHERE w.device_id = d.device_id AND p.family = o.family AND p.problem = o.problem
                   AND w.class = o.class AND is_latest AND w.layout = o.layout),
               (SELECT min(r.time_ns) FROM records r
                  JOIN problems p USING (problem_id)
                 WHERE r.device_id = d.device_id AND p.family = o.family AND p.problem = o.problem
                   AND r.class = o.class AND r.layout = o.layout),
               (SELECT min(r.time_ns) FROM records r
                  JOIN problems p USING (problem_id)
                 WHERE r.device_id = d.device_id AND p.family = o.family AND p.problem = o.problem
                   AND r.class = o.class)) AS time_ns
      FROM operations o
      JOIN devices d USING (model)),
-- Operations with the same problem are one bar, named after the first: "blk.0.qkv" is "qkv".
bars AS (
    SELECT device_id, file, family, problem, class, min(place) AS place, sum(times) AS times,
           sum(times) * time_ns AS total_ns,
           iif(name LIKE 'blk.%.%', substr(name, 5 + instr(substr(name, 5), '.')), name)
               || iif(sum(times) > 1, ' × ' || sum(times), '') AS label
      FROM (SELECT * FROM priced ORDER BY place)
     GROUP BY device_id, family, problem, class),
known AS (
    SELECT device_id, sum(total_ns) AS sum_ns, count(*) AS n, count(*) FILTER (WHERE total_ns IS NULL)
               AS n_unknown
      FROM bars
     GROUP BY device_id
    HAVING count(total_ns) > 0),
ordered AS (
    SELECT *, row_number() OVER (PARTITION BY device_id ORDER BY total_ns DESC, place) AS bar
      FROM bars
     WHERE total_ns IS NOT NULL)
SELECT slug || 'token' AS panel, prefix || 'one token of ' || file AS title,
       printf('%.3g ms in all, %.0f tokens a second at most%s.', sum_ns / 1e6, 1e9 / sum_ns,
              iif(n_unknown > 0,
                  printf('; %d of %d kinds of operation were never measured', n_unknown, n), ''))
           AS note,
       machine, day || 'n = ' || n AS footer, family AS series, bar, substr(label, 1, 24) AS label,
       total_ns / 1e9 AS time_s, round(100 * total_ns / sum_ns, 3) AS percent
  FROM ordered
  JOIN known USING (device_id)
  JOIN machines USING (device_id)
 WHERE bar <= 12
 ORDER BY device_id, min(bar) OVER (PARTITION BY device_id, family), family, bar;
