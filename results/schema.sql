-- schema.sql: what hone keeps, and the views that reports are drawn from.
--
--   devices ─< sessions ─< evaluations ─< samples        one session is one `hone tune`
--   problems ─< fields         m, k, n … as numbers, for axes; evaluations and benches have a problem
--   benches ─< rivals          rows of `hone bench`
--   facts                      small keyed JSON
--
-- Keys are text, so that a new family, variant or parameter changes nothing here. Units stand in the
-- column names. Measured numbers that are not there are NULL. A change of this file is a new
-- user_version: a database is opened only when its objects are these, word for word.

PRAGMA application_id = 1752133221; -- "hone"
PRAGMA user_version = 1;

CREATE TABLE devices (
    device_id INTEGER PRIMARY KEY,
    model     TEXT NOT NULL, -- platform|vendor|name|architecture|compute units|cache
    version   TEXT NOT NULL, -- driver|platform version
    name      TEXT NOT NULL,
    uuid      TEXT NOT NULL, -- provenance, never a key
    UNIQUE (model, version)
) STRICT;

CREATE TABLE sessions (
    session_id        INTEGER PRIMARY KEY,
    device_id         INTEGER NOT NULL REFERENCES devices,
    problems          TEXT NOT NULL, -- what was asked, canonical: a problem a line, then limits
    strategy          TEXT NOT NULL,
    seed              INTEGER NOT NULL, -- the bits of an unsigned number
    budget_ns         INTEGER NOT NULL CHECK (budget_ns >= 0),         -- 0: none
    evaluations_asked INTEGER NOT NULL CHECK (evaluations_asked >= 0), -- a problem; 0: no limit
    spent_ns          INTEGER NOT NULL CHECK (spent_ns >= 0),          -- by all runs of the session
    state             TEXT NOT NULL CHECK (state IN ('running', 'finished', 'interrupted')),
    began_unix_s      INTEGER NOT NULL,
    UNIQUE (session_id, device_id)
) STRICT;

CREATE TABLE problems (
    problem_id INTEGER PRIMARY KEY,
    family     TEXT NOT NULL,
    problem    TEXT NOT NULL, -- m=12288,k=4096,n=32,w=q4:128
    UNIQUE (family, problem)
) STRICT;

CREATE TABLE fields (
    problem_id INTEGER NOT NULL REFERENCES problems,
    field      TEXT NOT NULL,
    value      TEXT NOT NULL,
    size       INTEGER, -- of a numeric field
    PRIMARY KEY (problem_id, field)
) STRICT, WITHOUT ROWID;

CREATE TABLE evaluations (
    evaluation_id  INTEGER PRIMARY KEY,
    session_id     INTEGER NOT NULL,
    device_id      INTEGER NOT NULL,
    problem_id     INTEGER NOT NULL REFERENCES problems,
    class          TEXT NOT NULL,
    layout         TEXT NOT NULL,
    sequence       INTEGER NOT NULL CHECK (sequence >= 0), -- in the order asked
    source_key     TEXT NOT NULL,
    options        TEXT NOT NULL,
    variant        TEXT NOT NULL,
    config         TEXT NOT NULL,
    outcome        TEXT NOT NULL CHECK (outcome IN ('running', 'ok', 'abandoned', 'compile_failed',
                       'launch_failed', 'wrong', 'timeout', 'crashed', 'implausible')),
    message        TEXT,
    time_ns        REAL CHECK (time_ns > 0), -- median of the last round of samples
    low_ns         REAL CHECK (low_ns > 0),
    high_ns        REAL CHECK (high_ns > 0),
    floor_ns       REAL CHECK (floor_ns >= 0),
    ceiling_gbps   REAL CHECK (ceiling_gbps >= 0),
    ceiling_gflops REAL CHECK (ceiling_gflops >= 0),
    share          REAL CHECK (share >= 0), -- of the ceiling
    nmse           REAL CHECK (nmse >= 0),
    build_ns       INTEGER NOT NULL DEFAULT 0 CHECK (build_ns >= 0),
    check_ns       INTEGER NOT NULL DEFAULT 0 CHECK (check_ns >= 0),
    wall_ns        INTEGER NOT NULL DEFAULT 0 CHECK (wall_ns >= 0),
    elapsed_ns     INTEGER NOT NULL DEFAULT 0 CHECK (elapsed_ns >= 0), -- of the session, at its end
    conditions     TEXT NOT NULL DEFAULT '{}', -- JSON
    unix_s         INTEGER NOT NULL,
    boot_id        TEXT NOT NULL, -- of the run that made it `running`
    is_default     INTEGER NOT NULL CHECK (is_default IN (0, 1)), -- the family's own configuration
    is_final       INTEGER NOT NULL DEFAULT 0 CHECK (is_final IN (0, 1)),
    is_resumed     INTEGER NOT NULL DEFAULT 0 CHECK (is_resumed IN (0, 1)), -- found running once
    is_forgiven    INTEGER NOT NULL DEFAULT 0 CHECK (is_forgiven IN (0, 1)), -- by `hone db retry`
    UNIQUE (session_id, problem_id, class, layout, sequence),
    FOREIGN KEY (session_id, device_id) REFERENCES sessions (session_id, device_id),
    CHECK (outcome NOT IN ('ok', 'abandoned', 'implausible') OR time_ns IS NOT NULL),
    CHECK (is_final = 0 OR outcome = 'ok'),
    CHECK (low_ns IS NULL OR (low_ns <= time_ns AND time_ns <= high_ns))
) STRICT;
-- kill -9 loses one evaluation at most: there is never a second one under way.
CREATE UNIQUE INDEX evaluations_running ON evaluations (session_id) WHERE outcome = 'running';
CREATE INDEX evaluations_by_problem ON evaluations (problem_id, class, layout, outcome);
CREATE INDEX evaluations_failed ON evaluations (device_id, variant, config)
    WHERE outcome IN ('wrong', 'timeout', 'crashed', 'compile_failed');

CREATE TABLE samples (
    evaluation_id INTEGER NOT NULL REFERENCES evaluations,
    round         INTEGER NOT NULL, -- 0: the race; 1, 2 …: each time it was measured again
    sample        INTEGER NOT NULL,
    time_ns       REAL NOT NULL CHECK (time_ns > 0),
    PRIMARY KEY (evaluation_id, round, sample)
) STRICT, WITHOUT ROWID;

-- Rows of `hone bench`; `row` is the JSON as printed, the columns are what is in it.
CREATE TABLE benches (
    bench_id       INTEGER PRIMARY KEY,
    device_id      INTEGER NOT NULL REFERENCES devices,
    problem_id     INTEGER NOT NULL REFERENCES problems,
    slice          TEXT, -- "gemv_q4"
    class          TEXT,
    layout         TEXT,
    profile        TEXT, -- "default", "tuned", "config"
    variant        TEXT,
    config         TEXT,
    outcome        TEXT,
    time_ns        REAL,
    low_ns         REAL,
    high_ns        REAL,
    floor_ns       REAL,
    pack_ns        REAL,
    gflops         REAL,
    gbps           REAL,
    ceiling_gbps   REAL,
    ceiling_gflops REAL,
    share          REAL,
    row            TEXT NOT NULL,
    unix_s         INTEGER NOT NULL
) STRICT;
CREATE INDEX benches_by_problem ON benches (problem_id);

CREATE TABLE rivals (
    bench_id INTEGER NOT NULL REFERENCES benches,
    rival    TEXT NOT NULL,
    time_ns  REAL, -- NULL: it could not do this problem
    PRIMARY KEY (bench_id, rival)
) STRICT, WITHOUT ROWID;

CREATE TABLE facts (
    kind    TEXT NOT NULL, -- plan, class, check, ceiling, seeds, grants
    model   TEXT NOT NULL,
    version TEXT NOT NULL,
    key     TEXT NOT NULL,
    value   TEXT NOT NULL, -- JSON
    unix_s  INTEGER NOT NULL,
    PRIMARY KEY (kind, model, version, key)
) STRICT, WITHOUT ROWID;

-- ---- views ----

-- Problems with their usual axes.
CREATE VIEW shapes AS
SELECT problem_id, family, problem,
       (SELECT size FROM fields f WHERE f.problem_id = p.problem_id AND field = 'm') AS m,
       (SELECT size FROM fields f WHERE f.problem_id = p.problem_id AND field = 'k') AS k,
       (SELECT size FROM fields f WHERE f.problem_id = p.problem_id AND field = 'n') AS n,
       (SELECT value FROM fields f WHERE f.problem_id = p.problem_id AND field = 'w') AS w
  FROM problems p;

-- Every evaluation with all that names it.
CREATE VIEW measurements AS
SELECT evaluation_id, session_id, e.device_id, d.name AS device, d.model, d.version, s.strategy,
       s.seed, s.state, e.problem_id, family, problem, m, k, n, w, class, layout, variant, config,
       source_key, options, sequence, outcome, message, time_ns, low_ns, high_ns, floor_ns,
       ceiling_gbps, ceiling_gflops, share, nmse, build_ns, check_ns, wall_ns, elapsed_ns,
       conditions, unix_s, is_default, is_final, is_resumed, is_forgiven
  FROM evaluations e
  JOIN sessions s USING (session_id)
  JOIN devices d ON d.device_id = e.device_id
  JOIN shapes USING (problem_id);

-- What look-up chooses from: of every configuration that was right its newest measurement, one that was
-- checked in full before others.
CREATE VIEW records AS
SELECT * FROM (
    SELECT evaluation_id, device_id, problem_id, class, layout, source_key, variant, config,
           time_ns, is_final,
           row_number() OVER (PARTITION BY device_id, problem_id, class, layout, source_key, variant,
                                           config
                              ORDER BY is_final DESC, evaluation_id DESC) AS age
      FROM evaluations
     WHERE outcome = 'ok')
 WHERE age = 1;

-- What is not run again, and why: see store_verdict.
CREATE VIEW quarantine AS
SELECT device_id, problem_id, class, layout, source_key, variant, config, outcome,
       count(*) AS times, max(evaluation_id) AS evaluation_id, message
  FROM evaluations
 WHERE outcome IN ('wrong', 'timeout', 'crashed', 'compile_failed') AND is_forgiven = 0
 GROUP BY device_id, problem_id, class, layout, source_key, variant, config, outcome
HAVING outcome <> 'timeout' OR count(*) >= 2;

-- Best so far, over evaluations and over the session's seconds.
CREATE VIEW progress AS
SELECT session_id, device, strategy, seed, family, problem, m, k, n, w, class, layout, variant,
       config, sequence + 1 AS evaluations, elapsed_ns / 1e9 AS elapsed_s, outcome, time_ns,
       min(time_ns) FILTER (WHERE outcome = 'ok')
           OVER (PARTITION BY session_id, problem_id, class ORDER BY sequence) AS best_ns
  FROM measurements
 WHERE outcome <> 'running';

-- What a session found for each problem, beside the family's default. is_latest: no later session of
-- this device has a winner for that problem.
CREATE VIEW winners AS
SELECT *, default_ns / time_ns AS speedup,
       session_id = max(session_id) OVER (PARTITION BY device_id, problem_id, class) AS is_latest
  FROM (SELECT *,
               row_number() OVER (PARTITION BY session_id, problem_id, class
                                  ORDER BY outcome = 'ok' DESC, is_final DESC, time_ns, sequence)
                   AS place,
               max(time_ns) FILTER (WHERE is_default AND outcome = 'ok')
                   OVER (PARTITION BY session_id, problem_id, class) AS default_ns,
               count(*) OVER (PARTITION BY session_id, problem_id, class) AS evaluations,
               count(*) FILTER (WHERE outcome NOT IN ('running', 'ok', 'abandoned'))
                   OVER (PARTITION BY session_id, problem_id, class) AS failed
          FROM measurements)
 WHERE place = 1 AND outcome = 'ok';

-- The winners as lines of a profile (results/profiles/README.md).
CREATE VIEW profile_lines AS
SELECT model, version, family, problem, class,
       printf('record %s %s %s %s %s %s %.1f %s', family, problem, class, layout, variant,
              iif(config = '', '-', config), time_ns, source_key) AS line
  FROM winners
 WHERE is_latest;

CREATE VIEW bench_rows AS
SELECT bench_id, device_id, d.name AS device, d.model, d.version, family, problem, m, k, n, w, slice,
       class, layout, profile, variant, config, outcome, time_ns, low_ns, high_ns, floor_ns, pack_ns,
       gflops, gbps, ceiling_gbps, ceiling_gflops, share, unix_s
  FROM benches
  JOIN devices d USING (device_id)
  JOIN shapes USING (problem_id);

-- What the rivals took beside them.
CREATE VIEW bench_rivals AS
SELECT bench_id, device_id, family, problem, m, k, n, w, slice, class, profile, b.time_ns, rival,
       r.time_ns AS rival_ns, r.time_ns / b.time_ns AS speedup, unix_s
  FROM rivals r
  JOIN benches b USING (bench_id)
  JOIN shapes USING (problem_id);
