-- The two keys of an app on a phone: its touch key is a row as a passkey is.
ALTER TABLE device_key ADD COLUMN kind TEXT NOT NULL DEFAULT 'passkey';
ALTER TABLE device_key ADD COLUMN session_jkt TEXT NOT NULL DEFAULT ''; -- thumbprint of the session key beside it
ALTER TABLE device_key ADD COLUMN app_key BLOB;                        -- public half of the App Attest key (COSE_Key)
