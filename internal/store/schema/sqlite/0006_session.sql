-- session: who is signed in where. A family is a chain of refresh tokens. Refreshing
-- writes the family and nothing else; ending writes the session or the epoch and
-- never the family, so that neither waits for the other.
CREATE TABLE session_session (
  id         TEXT PRIMARY KEY,
  account    TEXT NOT NULL,
  device     TEXT NOT NULL,
  kind       TEXT NOT NULL,            -- web | api
  family     TEXT NOT NULL,            -- the family its own tokens belong to
  acr        TEXT NOT NULL,
  amr        TEXT NOT NULL,            -- JSON list, RFC 8176
  auth_time  BIGINT NOT NULL,
  key_id     TEXT NOT NULL,            -- key that signed; '' for a recovery code
  jkt        TEXT NOT NULL,            -- binding key thumbprint; '' when unbound
  remember   BOOLEAN NOT NULL,
  created_at BIGINT NOT NULL,
  last_seen  BIGINT NOT NULL,
  abs_exp    BIGINT NOT NULL,
  addr       TEXT NOT NULL,
  agent      TEXT NOT NULL,
  epoch      BIGINT NOT NULL,
  suspect_at BIGINT NOT NULL DEFAULT 0,
  vouched_at BIGINT NOT NULL DEFAULT 0, -- the owner said "this was me"
  ended_at   BIGINT NOT NULL DEFAULT 0,
  ended_why  TEXT NOT NULL DEFAULT '',
  reach_ms   BIGINT NOT NULL DEFAULT -1, -- how long until every gate refused it
  version    BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX session_session_account ON session_session (account, created_at);
CREATE TABLE session_family (
  id        TEXT PRIMARY KEY,
  session   TEXT NOT NULL,
  account   TEXT NOT NULL,             -- whose session it is, so that one statement decides a turn
  remember  BOOLEAN NOT NULL,
  gen       BIGINT NOT NULL,
  cur_kid   BIGINT NOT NULL,
  cur_hash  BLOB NOT NULL,
  prev_hash BLOB,
  prev_at   BIGINT NOT NULL DEFAULT 0,
  idle_exp  BIGINT NOT NULL,
  abs_exp   BIGINT NOT NULL,
  jkt       TEXT NOT NULL,
  epoch     BIGINT NOT NULL,
  grt       TEXT NOT NULL DEFAULT ''   -- the grant whose chain it is; '' for the session's own
) WITHOUT ROWID;
CREATE INDEX session_family_session ON session_family (session);
-- One row per account that ever ended everything: one write ends all older sessions.
CREATE TABLE session_epoch (
  account TEXT PRIMARY KEY,
  epoch   BIGINT NOT NULL,
  at      BIGINT NOT NULL,
  why     TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE session_jti (
  id  BLOB PRIMARY KEY,
  exp BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX session_jti_exp ON session_jti (exp);
-- What an app may do for an account, granted in a session. Its chain of refresh
-- tokens is a family; ending the grant writes here and never there.
CREATE TABLE session_grant (
  id         TEXT PRIMARY KEY,
  account    TEXT NOT NULL,
  session    TEXT NOT NULL,
  client     TEXT NOT NULL,
  family     TEXT NOT NULL,            -- '' when there is no refresh token
  scope      TEXT NOT NULL,            -- RFC 6749 §3.3, sorted
  details    TEXT NOT NULL,            -- RFC 9396, JSON; '' for none
  audience   TEXT NOT NULL,
  acr        TEXT NOT NULL,            -- how the owner was there when it was granted
  amr        TEXT NOT NULL,            -- JSON list
  auth_time  BIGINT NOT NULL,
  key_id     TEXT NOT NULL,            -- the passkey whose touch stood behind it
  jkt        TEXT NOT NULL,
  offline    BOOLEAN NOT NULL,         -- outlives a sign-out (OIDC Core §11)
  keeps      BOOLEAN NOT NULL,         -- its refresh token stays the same (FAPI 2.0 §5.3.2.1-9)
  created_at BIGINT NOT NULL,
  abs_exp    BIGINT NOT NULL,
  epoch      BIGINT NOT NULL,
  suspect_at BIGINT NOT NULL DEFAULT 0,
  ended_at   BIGINT NOT NULL DEFAULT 0,
  ended_why  TEXT NOT NULL DEFAULT '',
  version    BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX session_grant_account ON session_grant (account, created_at);
CREATE INDEX session_grant_client ON session_grant (client, created_at);
