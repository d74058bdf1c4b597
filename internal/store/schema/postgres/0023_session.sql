-- The key of a device that a browser bound a session to (Device Bound Session
-- Credentials); the bound cookie itself is computed and stands nowhere.
ALTER TABLE session_session ADD COLUMN dbsc_jkt TEXT NOT NULL DEFAULT '';    -- RFC 7638 thumbprint; '' when the browser bound nothing
ALTER TABLE session_session ADD COLUMN dbsc_key TEXT NOT NULL DEFAULT '';    -- the public key, JWK
ALTER TABLE session_session ADD COLUMN dbsc_at BIGINT NOT NULL DEFAULT 0;    -- when it was bound
ALTER TABLE session_session ADD COLUMN lapsed_at BIGINT NOT NULL DEFAULT 0;  -- its tokens came without the key, and the owner was told
