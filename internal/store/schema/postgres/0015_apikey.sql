-- apikey: keys of bots. The key is what its owner sees; what signs is in its versions,
-- of which two may live at once while one replaces the other.
CREATE TABLE apikey_key (
  id          TEXT PRIMARY KEY,
  account     TEXT NOT NULL,
  sub         TEXT NOT NULL,            -- sub-account; '' is the account itself
  purpose     TEXT NOT NULL,
  profile     TEXT NOT NULL,
  alg         TEXT NOT NULL,
  scopes      TEXT NOT NULL,            -- separated by spaces
  symbols     TEXT NOT NULL,            -- separated by spaces; '' is all
  allow       TEXT NOT NULL,            -- CIDR, separated by spaces; '' is everywhere
  deny        TEXT NOT NULL,
  starts      BIGINT NOT NULL,
  expires     BIGINT NOT NULL,
  window_ms   BIGINT NOT NULL,
  per_min     BIGINT NOT NULL,
  partner     TEXT NOT NULL,
  made_at     BIGINT NOT NULL,
  made_addr   TEXT NOT NULL,
  made_agent  TEXT NOT NULL,
  made_device TEXT NOT NULL,
  status      TEXT NOT NULL,            -- active | quarantined | revoked
  locked      BOOLEAN NOT NULL,         -- withdraw waits for a second device
  locked_by   TEXT NOT NULL,            -- the device that gave the right or changed its places: not the one that unlocks
  version     BIGINT NOT NULL,
  used_at     BIGINT NOT NULL,
  ended_at    BIGINT NOT NULL,
  ended_why   TEXT NOT NULL,
  browser_at  BIGINT NOT NULL           -- when it was first seen to sign in a web page; 0: never
);
CREATE INDEX apikey_key_account ON apikey_key (account, made_at);
CREATE TABLE apikey_version (
  key_id  TEXT NOT NULL,
  n       BIGINT NOT NULL,
  public  BYTEA,                        -- Ed25519 public key; NULL for a MAC
  sealed  BYTEA,                        -- secret of a MAC, sealed for this row; NULL when it ended
  made_at BIGINT NOT NULL,
  ends_at BIGINT NOT NULL,              -- 0: not said
  PRIMARY KEY (key_id, n)
);
-- What a key did, counted by minute: who called from where, for what, with which answer.
CREATE TABLE apikey_use (
  key_id TEXT NOT NULL,
  minute BIGINT NOT NULL,               -- start of it
  addr   TEXT NOT NULL,                 -- '' when there were too many to name
  class  TEXT NOT NULL,                 -- read | trade | cancel | transfer | withdraw | key
  code   TEXT NOT NULL,                 -- '' was allowed
  n      BIGINT NOT NULL,
  PRIMARY KEY (key_id, minute, addr, class, code)
);
CREATE INDEX apikey_use_minute ON apikey_use (minute);
-- Requests that were let in, where several gates share one database. Kept as long as a
-- request could come again.
CREATE TABLE apikey_replay (
  id       BYTEA PRIMARY KEY,           -- 16 bytes of the MAC, or of the hash of what was signed
  decision BYTEA NOT NULL,
  exp      BIGINT NOT NULL
);
CREATE INDEX apikey_replay_exp ON apikey_replay (exp);
-- The highest nonce of each key whose profile has nonces that grow.
CREATE TABLE apikey_nonce (
  key_id TEXT PRIMARY KEY,
  high   BIGINT NOT NULL
);
