-- signin: recovery codes and one-time hand-offs to the exchange.
CREATE TABLE signin_code (
  hash    BLOB PRIMARY KEY,             -- SHA-256 of the normalised code (125 bit, ASVS 6.5.2)
  account TEXT NOT NULL,
  used_at BIGINT NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX signin_code_account ON signin_code (account);
CREATE TABLE signin_codeset (
  account      TEXT PRIMARY KEY,
  made_at      BIGINT NOT NULL,
  rehearsed_at BIGINT NOT NULL DEFAULT 0,
  version      BIGINT NOT NULL
) WITHOUT ROWID;
CREATE TABLE signin_handoff (
  hash      BLOB PRIMARY KEY,
  challenge BLOB NOT NULL,              -- SHA-256 of the verifier that the asking browser's exchange keeps (RFC 7636 §4.2)
  client    TEXT NOT NULL,
  url       TEXT NOT NULL,
  account   TEXT NOT NULL,
  session   TEXT NOT NULL,
  exp       BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX signin_handoff_exp ON signin_handoff (exp);
