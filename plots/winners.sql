-- winners.sql: the best configuration of every problem, beside the family's default.
SELECT device_id, device, family, problem, class, layout, variant, config, time_ns, low_ns, high_ns,
       share, default_ns, speedup, evaluations
  FROM winners
 WHERE is_latest
 ORDER BY device_id, family, w, class, m, k, n, problem;
