-- The database role of gates that run as processes of their own (`keyward gate`).
-- Run it once after `keyward migrate apply`, and again after each update, as the owner
-- of the tables:
--
--   psql "$DATABASE" -v ON_ERROR_STOP=1 -f gate-role.sql
--
-- Then give each gate a login of its own, and put it into the gate's database.url:
--
--   CREATE ROLE gate_1 LOGIN PASSWORD '…' CONNECTION LIMIT 20 IN ROLE keyward_gate;
--
-- (the limit: database.max_conns of the gate, and a few). No login has the name of a
-- machine that a server runs on: leases of both begin with it.
--
-- Together with the key file that `keyward keys gate` writes this is all that a gate
-- has. Whoever takes one over can read the secrets of API keys, which it has to know,
-- and let requests through at this one gate. They cannot make, widen or end a key, read
-- a session, a mail address, a hold's reason or a sign-in, write the log, or say in
-- another gate's name that it has heard of a revocation.
--
-- What they still can do until their login is dropped: say what they like of what keys
-- did lately; have keys quarantined on their word, a hundred at first and then one in ten
-- seconds and server (their owners release them); push the nonce of a key so high that
-- its owner needs a new one; hold back acknowledgements for about a second each, and
-- locks and disk as every login can. Drop the login first, then ask what happened.

DO $$ BEGIN
  CREATE ROLE keyward_gate NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;

REVOKE ALL ON ALL TABLES IN SCHEMA public FROM keyward_gate;
GRANT USAGE ON SCHEMA public TO keyward_gate;

-- Before PostgreSQL 15 everybody could make functions here that others call by mistake.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;

-- What it verifies.
GRANT SELECT ON store_migration, apikey_version TO keyward_gate;

-- Not where and with what an owner made a key, nor who they are elsewhere.
GRANT SELECT (id, account, sub, purpose, profile, alg, scopes, symbols, allow, deny, starts, expires, window_ms, per_min, partner,
  made_at, made_device, status, locked, locked_by, version, used_at, ended_at, ended_why, browser_at, clock_at) ON apikey_key TO keyward_gate;
GRANT SELECT (id, status) ON account_account TO keyward_gate;
GRANT SELECT (account, what, until_at) ON account_hold TO keyward_gate;

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
GRANT SELECT (id), INSERT ON apikey_sighting TO keyward_gate;

-- Of these only what an honest gate writes: rows of their size and of now, so that what
-- sweeps them finds them, and no nonce that shrinks, or an old request would be good
-- again at every gate.
ALTER TABLE apikey_replay ENABLE ROW LEVEL SECURITY;
ALTER TABLE apikey_nonce ENABLE ROW LEVEL SECURITY;
ALTER TABLE apikey_use ENABLE ROW LEVEL SECURITY;
ALTER TABLE apikey_sighting ENABLE ROW LEVEL SECURITY;
DO $$ DECLARE
  t TEXT;
  of_now CONSTANT TEXT := '%s BETWEEN (extract(epoch FROM now()) - 90000) * 1000000 AND (extract(epoch FROM now()) + %s) * 1000000';
BEGIN
  FOREACH t IN ARRAY ARRAY['apikey_replay', 'apikey_nonce', 'apikey_use', 'apikey_sighting'] LOOP
    EXECUTE format('DROP POLICY IF EXISTS servers ON %I', t);
    EXECUTE format('DROP POLICY IF EXISTS gates_read ON %I', t);
    EXECUTE format('DROP POLICY IF EXISTS gates_write ON %I', t);
    EXECUTE format('DROP POLICY IF EXISTS gates_count ON %I', t);
    EXECUTE format('CREATE POLICY servers ON %I USING (NOT pg_has_role(current_user, ''keyward_gate'', ''MEMBER''))', t);
    EXECUTE format('CREATE POLICY gates_read ON %I FOR SELECT TO keyward_gate USING (TRUE)', t);
  END LOOP;
  EXECUTE 'CREATE POLICY gates_write ON apikey_replay FOR INSERT TO keyward_gate
    WITH CHECK (octet_length(id) = 16 AND octet_length(decision) = 16 AND ' || format(of_now, 'exp', '90000') || ')';
  EXECUTE 'CREATE POLICY gates_write ON apikey_use FOR INSERT TO keyward_gate
    WITH CHECK (length(key_id) <= 128 AND length(addr) <= 45 AND length(class) <= 16 AND length(code) <= 40 AND n BETWEEN 0 AND 1000000000000 AND ' || format(of_now, 'minute', '600') || ')';
  EXECUTE 'CREATE POLICY gates_count ON apikey_use FOR UPDATE TO keyward_gate
    USING (' || format(of_now, 'minute', '600') || ') WITH CHECK (n BETWEEN 0 AND 1000000000000)';
  EXECUTE 'CREATE POLICY gates_write ON apikey_sighting FOR INSERT TO keyward_gate
    WITH CHECK (kind IN (''in_browser'', ''stale'', ''clock'', ''first'') AND length(id) <= 200 AND length(key_id) <= 128 AND length(addr) <= 45 AND ' || format(of_now, 'at', '600') || ')';
END $$;
CREATE POLICY gates_write ON apikey_nonce FOR INSERT TO keyward_gate WITH CHECK (length(key_id) <= 128 AND high >= 0);
CREATE POLICY gates_count ON apikey_nonce FOR UPDATE TO keyward_gate USING (TRUE);
CREATE OR REPLACE FUNCTION apikey_nonce_shrinks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE insufficient_privilege USING MESSAGE = 'a nonce only grows';
END $$;
DROP TRIGGER IF EXISTS apikey_nonce_grows ON apikey_nonce;
CREATE TRIGGER apikey_nonce_grows BEFORE UPDATE ON apikey_nonce
  FOR EACH ROW WHEN (NEW.high < OLD.high) EXECUTE FUNCTION apikey_nonce_shrinks();

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
  WITH CHECK (NOT pg_has_role(current_user, 'keyward_gate', 'MEMBER') OR starts_with(id, current_user || '/') AND length(id) <= 200 AND n = 1
    -- Each start takes one. Thousands would make every revocation wait for the reading of them.
    AND (SELECT count(*) FROM audit_lease o WHERE starts_with(o.id, current_user || '/') AND o.at > (extract(epoch FROM now()) - 3600) * 1000000) < 100
    AND at BETWEEN (extract(epoch FROM now()) - 600) * 1000000 AND (extract(epoch FROM now()) + 600) * 1000000);
CREATE POLICY lease_move ON audit_lease FOR UPDATE
  USING (NOT pg_has_role(current_user, 'keyward_gate', 'MEMBER') OR starts_with(id, current_user || '/'))
  WITH CHECK (NOT pg_has_role(current_user, 'keyward_gate', 'MEMBER') OR starts_with(id, current_user || '/')
    AND at BETWEEN (extract(epoch FROM now()) - 600) * 1000000 AND (extract(epoch FROM now()) + 600) * 1000000);
CREATE POLICY lease_drop ON audit_lease FOR DELETE
  USING (NOT pg_has_role(current_user, 'keyward_gate', 'MEMBER'));
