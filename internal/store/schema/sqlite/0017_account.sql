-- account: the parts an owner divides an account into. What is in them the exchange
-- knows; here stands what may be done with them.
CREATE TABLE account_sub (
  id        TEXT PRIMARY KEY,
  account   TEXT NOT NULL,
  name      TEXT NOT NULL,
  status    TEXT NOT NULL,              -- active | frozen | emptying | closed
  transfers TEXT NOT NULL,              -- none | to_main | both
  max_keys  BIGINT NOT NULL,            -- of its own; 0: only the account's bound
  per_min   BIGINT NOT NULL,            -- requests of all its keys together; 0: no bound of its own
  made_at   BIGINT NOT NULL,
  closed_at BIGINT NOT NULL,            -- 0: open
  version   BIGINT NOT NULL
);
CREATE INDEX account_sub_account ON account_sub (account, made_at);
