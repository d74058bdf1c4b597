-- What gates of their own saw and a server has to tell: they write no events.
CREATE TABLE apikey_sighting (
  id     TEXT PRIMARY KEY,              -- kind, key and minute: a flood is one row
  kind   TEXT NOT NULL,                 -- in_browser | stale
  key_id TEXT NOT NULL,                 -- '' where it is of no one key
  addr   TEXT NOT NULL,
  at     BIGINT NOT NULL,
  n      BIGINT NOT NULL
);
-- When its owner was told that the clock of a key's bot is off; 0: never.
ALTER TABLE apikey_key ADD COLUMN clock_at BIGINT NOT NULL DEFAULT 0;
