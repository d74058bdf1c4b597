-- The database role of gates that run as processes of their own (`keyward gate`).
-- Run it once after `keyward migrate apply`, and again after each update, as the owner
-- of the tables:
--
--   psql "$DATABASE" -v ON_ERROR_STOP=1 -f gate-role.sql
--
-- Then give each gate a login of its own, and put it into the gate's database.url:
--
--   CREATE ROLE gate_1 LOGIN PASSWORD '…' IN ROLE keyward_gate;
--
-- Together with the key file that `keyward keys gate` writes this is all that a gate
-- has. Whoever takes one over can read the secrets of API keys, which it has to know,
-- and let requests through at this one gate. They cannot make, widen or end a key, read
-- a session, a mail address or a sign-in, write the log, or say in another gate's name
-- that it has heard of a revocation.

DO $$ BEGIN
  CREATE ROLE keyward_gate NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;

REVOKE ALL ON ALL TABLES IN SCHEMA public FROM keyward_gate;
GRANT USAGE ON SCHEMA public TO keyward_gate;

-- What it verifies.
GRANT SELECT ON store_migration, account_account, account_hold, apikey_key, apikey_version TO keyward_gate;

-- Whether what stands behind an app's access token still stands. No hash of any token.
GRANT SELECT (id, account, session, client, family, scope, details, audience, acr, amr, auth_time, key_id, jkt, offline, keeps,
  created_at, abs_exp, epoch, suspect_at, ended_at, ended_why, version) ON session_grant TO keyward_gate;
GRANT SELECT (id, ended_at, ended_why) ON session_session TO keyward_gate;
GRANT SELECT ON session_epoch TO keyward_gate;

-- What was touched, so that it forgets what it remembers; not what was said of it.
GRANT SELECT (id, at, action, account, target, shown, effects) ON audit_event TO keyward_gate;
GRANT SELECT ON audit_index, audit_pending TO keyward_gate;

-- What was let in before, so that it is not let in again; what was counted; what a
-- server has to tell an owner. Nothing is ever deleted by a gate.
GRANT SELECT, INSERT ON apikey_replay TO keyward_gate;
GRANT SELECT, INSERT, UPDATE (high) ON apikey_nonce TO keyward_gate;
GRANT SELECT, INSERT, UPDATE (n) ON apikey_use TO keyward_gate;
GRANT SELECT, INSERT, UPDATE (uses, last_at) ON apikey_meter TO keyward_gate;
GRANT SELECT (id), INSERT ON apikey_sighting TO keyward_gate;

-- Its own lease, which says that it has heard. A gate's leases begin with the name of
-- its login, and no gate moves another's on: revocations would be acknowledged that it
-- never heard of.
GRANT SELECT, INSERT, UPDATE (n, at) ON audit_lease TO keyward_gate;
ALTER TABLE audit_lease ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS lease_read ON audit_lease;
DROP POLICY IF EXISTS lease_take ON audit_lease;
DROP POLICY IF EXISTS lease_move ON audit_lease;
DROP POLICY IF EXISTS lease_drop ON audit_lease;
CREATE POLICY lease_read ON audit_lease FOR SELECT USING (TRUE);
CREATE POLICY lease_take ON audit_lease FOR INSERT
  WITH CHECK (NOT pg_has_role(current_user, 'keyward_gate', 'MEMBER') OR starts_with(id, current_user || '/'));
CREATE POLICY lease_move ON audit_lease FOR UPDATE
  USING (NOT pg_has_role(current_user, 'keyward_gate', 'MEMBER') OR starts_with(id, current_user || '/'))
  WITH CHECK (NOT pg_has_role(current_user, 'keyward_gate', 'MEMBER') OR starts_with(id, current_user || '/'));
CREATE POLICY lease_drop ON audit_lease FOR DELETE
  USING (NOT pg_has_role(current_user, 'keyward_gate', 'MEMBER'));
