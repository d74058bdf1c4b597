-- audit: how far each follower has read the log. One row per follower.
CREATE TABLE audit_cursor (
  name     TEXT PRIMARY KEY,
  at       BIGINT NOT NULL, -- index of the last event taken in; -1: none yet
  moved_at BIGINT NOT NULL
);
INSERT INTO audit_cursor (name, at, moved_at) SELECT name, at, moved_at FROM notify_cursor;
DROP TABLE notify_cursor;
