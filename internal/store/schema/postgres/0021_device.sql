-- What was found about where a key lives (JSON); '' for keys from before, and erased ones.
ALTER TABLE device_key ADD COLUMN evidence TEXT NOT NULL DEFAULT '';

-- The highest number of each list that evidence is judged by: an older list is never taken again.
CREATE TABLE device_list (
  name     TEXT PRIMARY KEY,
  number   BIGINT NOT NULL,
  taken_at BIGINT NOT NULL
);
