// This browser's own key, and proofs made with it (RFC 9449).
//
// The private half cannot be exported: a copied profile folder, cookie jar or page dump does not hold it, so a copied session
// is worth nothing elsewhere. A hostile script in the page could still *use* it while the page is open; it cannot take it away.
//
// One key per browser profile, made before the first sign-in and kept until sign-out. It must exist before the account is
// known (a passkey sign-in tells us only afterwards who it was), and a key that never changes while a session lives can
// never be out of step with the session's cookies, whichever answer gets lost on the way.

const DATABASE = 'keyward';
const STORE = 'keys';
const SLOT = 'browser';

function request(r) {
  return new Promise((resolve, reject) => {
    r.onsuccess = () => resolve(r.result);
    r.onerror = () => reject(r.error);
  });
}

async function open() {
  const r = indexedDB.open(DATABASE, 1);
  r.onupgradeneeded = () => r.result.createObjectStore(STORE);
  return request(r);
}

async function stored() {
  const db = await open();
  try {
    return await request(db.transaction(STORE).objectStore(STORE).get(SLOT));
  } finally {
    db.close();
  }
}

/** The key pair, made on first use. Two tabs that make one at once agree: add() fails for the second, which reads the first's. */
async function pair() {
  const have = await stored();
  if (have) return have;
  const made = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
  const db = await open();
  try {
    await request(db.transaction(STORE, 'readwrite').objectStore(STORE).add(made, SLOT));
    return made;
  } catch {
    return await stored() ?? Promise.reject(new Error('no place for a key'));
  } finally {
    db.close();
  }
}

/** Throw the key away: the session it belonged to has ended. */
export async function forget() {
  try {
    const db = await open();
    await request(db.transaction(STORE, 'readwrite').objectStore(STORE).delete(SLOT));
    db.close();
  } catch { /* nothing was kept */ }
}

const bytes = new TextEncoder();

function base64url(data) {
  let text = '';
  for (const byte of new Uint8Array(data)) text += String.fromCharCode(byte);
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

const part = (value) => base64url(bytes.encode(JSON.stringify(value)));

/**
 * A DPoP proof for one request to our own origin, or null where the browser keeps no keys (some private modes): then the
 * server starts an unbound session or refuses, as its policy says.
 */
export async function proof(method, path, nonce) {
  let key;
  try {
    key = await pair();
  } catch {
    return null;
  }
  const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', key.publicKey);
  const head = { typ: 'dpop+jwt', alg: 'ES256', jwk: { kty, crv, x, y } };
  const claims = {
    jti: base64url(crypto.getRandomValues(new Uint8Array(16))), // 128 bit: never the same twice
    htm: method,
    htu: location.origin + path.split(/[?#]/)[0], // RFC 9449 §4.2: without query and fragment
    iat: Math.floor(Date.now() / 1000),
  };
  if (nonce) claims.nonce = nonce;
  const signed = `${part(head)}.${part(claims)}`;
  const signature = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, key.privateKey, bytes.encode(signed));
  return `${signed}.${base64url(signature)}`; // WebCrypto gives r‖s, which is what JWS wants (RFC 7518 §3.4)
}
