-- signin: a new device shows a code, the owner types it into a device that is signed in.
CREATE TABLE signin_join (
  id         TEXT PRIMARY KEY,
  code_hash  BLOB NOT NULL UNIQUE,     -- MAC of the code (50 bit, SP 800-63B-4 §4.1.2.2); the code is in no row
  bind       BLOB NOT NULL,            -- SHA-256 of the newcomer's device cookie
  jkt        TEXT NOT NULL,             -- the newcomer's own key (RFC 7638), '' when it proved none
  agent      TEXT NOT NULL,
  addr       TEXT NOT NULL,
  state      TEXT NOT NULL,             -- shown, claimed, admitted | refused, used; the rest is time
  account    TEXT NOT NULL,             -- whose device typed the code, '' before
  session    TEXT NOT NULL,             -- which of its sessions
  key_id     TEXT NOT NULL,             -- the passkey that came in, '' before
  made_at    BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  version    BIGINT NOT NULL
);
CREATE INDEX signin_join_bind ON signin_join (bind);
CREATE INDEX signin_join_account ON signin_join (account);
CREATE INDEX signin_join_expires ON signin_join (expires_at);
