-- job: work for later, enqueued in the transaction that asks for it.
CREATE TABLE job_job (
  id         TEXT PRIMARY KEY,
  kind       TEXT NOT NULL,
  once       TEXT UNIQUE,                -- at most one job with this key; NULL for none
  payload    TEXT NOT NULL,              -- JSON; emptied when the job is done
  state      TEXT NOT NULL,              -- due | done | dead
  run_at     BIGINT NOT NULL,            -- not before; while it runs, the end of its lease
  lease      TEXT NOT NULL DEFAULT '',   -- who runs it
  tries      BIGINT NOT NULL DEFAULT 0,
  last_error TEXT NOT NULL DEFAULT '',
  created_at BIGINT NOT NULL,
  ended_at   BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX job_job_due ON job_job (run_at, id) WHERE state = 'due';
CREATE INDEX job_job_ended ON job_job (ended_at) WHERE state <> 'due';
