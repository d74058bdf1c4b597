-- Where a key was asked for, which is not always where it lives: a browser's word that it
-- was scanned by a phone is unsigned. '' for keys from before of which that is not known.
ALTER TABLE device_key ADD COLUMN added_on TEXT NOT NULL DEFAULT '';
UPDATE device_key SET added_on = device WHERE kind = 'passkey';

-- When a session first began on a device by the touch of a key; 0: never. A device is known
-- from then on, and not from when a recovery code was typed on it.
ALTER TABLE device_device ADD COLUMN proved_at BIGINT NOT NULL DEFAULT 0;
UPDATE device_device SET proved_at = COALESCE((SELECT MIN(s.created_at) FROM session_session s
 WHERE s.account = device_device.account AND s.device = device_device.id AND s.acr IN ('phr', 'phrh')), 0);
