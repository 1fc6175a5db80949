-- roofline.sql: operations a second over operations a byte, default beside tuned, under the two ceilings.
WITH points AS (
    SELECT device_id, problem_id, class, time_ns AS tuned_ns,
           (SELECT d.time_ns FROM timed d
             WHERE d.device_id = t.device_id AND d.problem_id = t.problem_id AND d.class = t.class
               AND d.profile = 'default') AS default_ns
      FROM timed t
     WHERE profile = 'tuned'
     UNION ALL
    SELECT device_id, problem_id, class, time_ns, default_ns FROM won),
placed AS (
    SELECT device_id, class, family || coalesce(' ' || w, '') AS kind, problem,
           coalesce(n, 0) AS n, bytes, max(bytes) OVER (PARTITION BY device_id, class) AS most,
           operations / bytes AS intensity,
           operations / tuned_ns AS gflops, operations / default_ns AS default_gflops,
           gbps, c.gflops AS peak_gflops
      FROM points
      JOIN costs USING (problem_id, class)
      JOIN shapes USING (problem_id)
      LEFT JOIN ceilings c USING (device_id, problem_id, class)
     WHERE operations > 0 AND bytes > 0 AND tuned_ns > 0),
-- The ceilings wander with the machine, and each point was judged by its own; the highest are drawn. Those of
-- small problems may be of a cache, and are not the memory's.
roofs AS (
    SELECT device_id, class, count(*) AS n_points, min(intensity) AS low, max(intensity) AS high,
           max(gbps) FILTER (WHERE 4 * bytes >= most) AS gbps, max(peak_gflops) AS peak,
           avg(min(1, gflops / min(gbps * intensity, peak_gflops))) AS tuned_share,
           avg(default_gflops / min(gbps * intensity, peak_gflops)) AS default_share
      FROM placed p
     GROUP BY device_id, class),
kinds AS (
    SELECT *, row_number() OVER (PARTITION BY device_id, class ORDER BY n_points DESC, kind)
                  AS place
      FROM (SELECT device_id, class, kind, count(*) AS n_points FROM placed
             GROUP BY device_id, class, kind)),
-- Three corners of the roof, from the leftmost point to the rightmost.
corners (corner) AS (VALUES (0), (1), (2)),
lines AS (
    SELECT device_id, class, 0 AS place, 'ceiling' AS series,
           CASE corner WHEN 0 THEN min(low, peak / gbps) / 2 WHEN 1 THEN peak / gbps
                       ELSE max(high, peak / gbps) * 2 END AS intensity,
           min(peak, gbps * CASE corner WHEN 0 THEN min(low, peak / gbps) / 2
                                        ELSE peak / gbps END) AS gflops,
           NULL AS default_gflops, NULL AS n
      FROM roofs, corners
     WHERE gbps > 0 AND peak > 0
     UNION ALL
    SELECT device_id, class, place, iif(place <= 5, kind, 'others'), intensity, gflops,
           default_gflops, n
      FROM placed
      JOIN kinds USING (device_id, class, kind))
SELECT slug || class AS panel, prefix || 'roofline of class ' || class AS title,
       printf('%d %s: tuned reaches %.0f %% of the ceiling in the mean%s.', n_points,
              iif(n_points = 1, 'problem', 'problems'), 100 * tuned_share,
              coalesce(printf('; the default at %.0f %%', 100 * default_share), '')) AS note,
       machine, day || 'n = ' || n_points AS footer, series, round(intensity, 6) AS intensity,
       gflops, default_gflops, n
  FROM lines
  JOIN roofs USING (device_id, class)
  JOIN machines USING (device_id)
 WHERE peak > 0 AND roofs.gbps > 0
 ORDER BY device_id, class, min(lines.place, 6), series, intensity, n;
