-- devices.sql: what was measured on which device.
SELECT device_id, name, model, version,
       (SELECT count(*) FROM evaluations e
         WHERE e.device_id = d.device_id AND outcome <> 'running') AS evaluations,
       (SELECT count(*) FROM benches b WHERE b.device_id = d.device_id) AS benches,
       (SELECT date(max(unix_s), 'unixepoch')
          FROM (SELECT unix_s FROM evaluations e
                 WHERE e.device_id = d.device_id AND outcome <> 'running'
                 UNION ALL
                SELECT unix_s FROM benches b WHERE b.device_id = d.device_id)) AS last_day
  FROM devices d
 ORDER BY device_id;
