-- contain: what an account was before its owner froze it, so that lifting the
-- freeze gives back that and no more.
CREATE TABLE contain_freeze (
  account TEXT PRIMARY KEY,
  was     TEXT NOT NULL,               -- active | restricted
  at      BIGINT NOT NULL
) WITHOUT ROWID;
