// What must be refused, sent by a client library that was made to be exact: each row bends one thing of a request that is good otherwise,
// and the code of the RFC must come back. Some rows use one code or token, and after them it must still be good.

import * as oauth from 'oauth4webapi';
import { expect, holds, plan, privateKey, redirectURI, refuses, visit } from './flow.mjs';

const insecure = { [oauth.allowInsecureRequests]: true };
const issuer = new URL(plan.issuer);
const as = await holds('discovery: the document is that of the issuer', async () =>
  oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, insecure)),
);

const { app, backend, other, secretive } = plan.clients;
const keys = await oauth.generateKeyPair('ES256');
const thief = await oauth.generateKeyPair('ES256');
const rsa = await oauth.generateKeyPair('RS256');
const foreign = await crypto.subtle.exportKey('jwk', thief.publicKey).then(({ kty, crv, x, y }) => ({ kty, crv, x, y }));
const none = oauth.None();

/** A proof of this key, with something changed. Each has its own nonces. */
const proof = (edit, pair = keys) => oauth.DPoP(app, pair, { [oauth.modifyAssertion]: (head, body) => edit?.(body, head) });
/** The assertion of a back end, with something changed. */
const assertion = async (edit, of = backend) => oauth.PrivateKeyJwt(await privateKey(of.jwk), { [oauth.modifyAssertion]: (head, body) => edit?.(body, head) });

/** Sends until the server has no wish for another nonce, and returns the answer's error. */
async function errorOf(send) {
  for (let tries = 0; tries < 3; tries++) {
    const response = await send();
    if (response.ok) return 'nothing';
    const challenge = /error="([^"]+)"/.exec(response.headers.get('www-authenticate') ?? '')?.[1];
    const { error } = await response.json().catch(() => ({}));
    if (error && challenge) expect(error === challenge, `the body says ${error}, the header ${challenge}`);
    if ((error ?? challenge) === 'use_dpop_nonce') continue;
    if (response.status === 401 && response.url === as.userinfo_endpoint) expect(response.headers.has('www-authenticate'), '401 without a challenge');
    return error ?? challenge ?? `${response.status} without an error`;
  }
  return 'use_dpop_nonce, again and again';
}

/** Sends until it works. */
async function good(send, process) {
  let response = await send();
  if (response.status === 400 || response.status === 401) response = await send(); // now with the nonce
  return process(response);
}

const verifier = oauth.generateRandomCodeVerifier();
const challenge = await oauth.calculatePKCECodeChallenge(verifier);

/** A good authorization request, with something changed; undefined takes a parameter out. */
function request(client, changed = {}) {
  const all = {
    client_id: client.client_id, redirect_uri: redirectURI, response_type: 'code', scope: plan.scope, prompt: 'consent', state: 'state-1',
    code_challenge: challenge, code_challenge_method: 'S256', ...changed,
  };
  return new URLSearchParams(Object.entries(all).filter(([, v]) => v !== undefined));
}

const authorizeURL = (query) => new URL(`${as.authorization_endpoint}?${query}`);

/** Where the server leads a browser at once: the error that goes back to the app, or nowhere. Whoever is led back learns who says so. */
async function led(query, url = authorizeURL(query)) {
  const response = await fetch(url, { redirect: 'manual' });
  const to = response.headers.get('location') && new URL(response.headers.get('location'), plan.issuer);
  if (to?.pathname === url.pathname && to.search !== url.search) return led(query, to);
  if (!to || to.origin === issuer.origin) return response.status >= 400 ? 'kept' : 'asked on';
  expect(response.status === 303 || response.status === 302, `redirected by ${response.status}`);
  if (to.hash) to.search = to.hash.slice(1); // where answers to the implicit flow belong
  to.hash = '';
  expect(to.href.startsWith(`${redirectURI}?`), to.href);
  try {
    oauth.validateAuthResponse(as, app, to, 'state-1');
  } catch (error) {
    return error.error ?? String(error);
  }
  return 'nothing';
}

/** The person agrees, and the parameters of the answer are checked: state and iss (RFC 9207). */
const agreed = async (client, query) => oauth.validateAuthResponse(as, client, await visit(authorizeURL(query)), 'state-1');

// The authorization endpoint.

await refuses('authorize: without PKCE', 'invalid_request', () => led(request(app, { code_challenge: undefined, code_challenge_method: undefined })));
await refuses('authorize: PKCE that is plain', 'invalid_request', () => led(request(app, { code_challenge: verifier, code_challenge_method: 'plain' })));
await refuses('authorize: PKCE that does not say how, which means plain', 'invalid_request', () => led(request(app, { code_challenge_method: undefined })));
await refuses('authorize: the implicit flow', 'unsupported_response_type', () => led(request(app, { response_type: 'token' })));
await refuses('authorize: a scope that nobody knows', 'invalid_scope', () => led(request(app, { scope: 'openid everything' })));
await refuses('authorize: a request object, unsigned', ['request_not_supported', 'invalid_request_object'], () => led(request(app, { request: 'eyJhbGciOiJub25lIn0.e30.' })));
await refuses('authorize: prompt=none of somebody who is not signed in', 'login_required', () => led(request(app, { prompt: 'none' })));

for (const [what, uri] of Object.entries({
  'of somebody else': 'https://evil.example/callback', 'with another path': redirectURI.replace('callback', 'Callback'), 'with more path': `${redirectURI}/x`,
  'with a query': `${redirectURI}?next=1`, 'with a fragment': `${redirectURI}#f`, 'with a user before the host': redirectURI.replace('//', '//u@'),
  'with a dot segment': redirectURI.replace('/callback', '/x/../callback'), 'with a percent form': redirectURI.replace('callback', '%63allback'), 'left out': undefined,
})) {
  await refuses(`authorize: a redirect_uri ${what} leads nobody anywhere`, 'kept', () => led(request(app, { redirect_uri: uri })));
}
await refuses('authorize: a client that nobody registered', 'kept', () => led(request({ client_id: 'app_01jz0000000000000000000000' })));
await refuses('authorize: a request_uri that nobody pushed', 'kept', () =>
  led(new URLSearchParams({ client_id: app.client_id, request_uri: 'urn:ietf:params:oauth:request_uri:kwq_nobody' })));

await refuses('authorize: the person says no', 'access_denied', async () => {
  const back = await visit(authorizeURL(request(app)), false);
  expect(back.searchParams.get('iss') === plan.issuer, 'iss is missing');
  try {
    oauth.validateAuthResponse(as, app, back, 'state-1');
  } catch (error) {
    return error.error;
  }
});

// Client authentication.

const push = (auth, changed, client = backend) => oauth.pushedAuthorizationRequest(as, client, auth, request(client, changed), insecure);
const assertionRow = (what, edit) => refuses(`client assertion: ${what}`, 'invalid_client', async () => errorOf(async () => push(await assertion(edit))));

await assertionRow('for the token endpoint and not for the issuer', (body) => (body.aud = as.token_endpoint));
await assertionRow('for somebody else', (body) => (body.aud = 'https://as.example'));
await assertionRow('for a list of servers', (body) => (body.aud = [as.issuer, 'https://as.example']));
await assertionRow('that has run out', (body) => (body.exp = body.iat - 60));
await assertionRow('without an end', (body) => delete body.exp);
await assertionRow('without a subject', (body) => delete body.sub);
await assertionRow('of another issuer', (body) => (body.iss = other.client_id));
await assertionRow('without an id', (body) => delete body.jti);
await assertionRow('that is not good yet', (body) => (body.nbf = body.iat + 600));
await refuses('client assertion: signed with RS256', 'invalid_client', () => errorOf(() => push(oauth.PrivateKeyJwt(rsa.privateKey))));
await refuses('client assertion: signed with somebody else’s key', 'invalid_client', () => errorOf(() => push(oauth.PrivateKeyJwt(thief.privateKey))));
await refuses('client assertion: used twice', 'invalid_client', async () => {
  const once = await assertion((body) => (body.jti = 'once'));
  expect((await errorOf(() => push(once))) === 'nothing', 'refused the first time');
  return errorOf(() => push(once));
});
await refuses('a confidential client that proves nothing', 'invalid_client', () => errorOf(() => push(none)));
await refuses('a public client with a secret', 'invalid_client', () => errorOf(() => push(oauth.ClientSecretPost('guess'), {}, app)));
await refuses('a wrong secret', 'invalid_client', () => errorOf(() => push(oauth.ClientSecretBasic('guess'), {}, secretive)));
await refuses('the right secret in the body', 'invalid_client', () => errorOf(() => push(oauth.ClientSecretPost(secretive.client_secret), {}, secretive)));

// Pushed requests.

const pushed = async (auth, client) => (await good(() => push(auth, {}, client), (r) => oauth.processPushedAuthorizationResponse(as, client, r))).request_uri;

await refuses('PAR: without PKCE', 'invalid_request', async () => errorOf(async () => push(await assertion(), { code_challenge: undefined, code_challenge_method: undefined })));
await refuses('PAR: PKCE that is plain', 'invalid_request', async () => errorOf(async () => push(await assertion(), { code_challenge_method: 'plain' })));
await refuses('PAR: a redirect_uri of somebody else', ['invalid_request', 'invalid_redirect_uri'], async () => errorOf(async () => push(await assertion(), { redirect_uri: 'https://evil.example/callback' })));
await refuses('PAR: a request_uri inside', ['invalid_request', 'request_uri_not_supported'], () => errorOf(async () => push(await assertion(), { request_uri: 'urn:x' })));
await refuses('PAR: dpop_jkt is another key than the proof’s', ['invalid_dpop_proof', 'invalid_request'], async () => {
  const DPoP = proof();
  return errorOf(async () => oauth.pushedAuthorizationRequest(as, backend, await assertion(), request(backend, { dpop_jkt: 'A'.repeat(43) }), { ...insecure, DPoP }));
});
await refuses('PAR: a request_uri of another client leads nobody anywhere', 'kept', async () => {
  const request_uri = await pushed(await assertion(), backend);
  return led(new URLSearchParams({ client_id: other.client_id, request_uri }));
});
await refuses('PAR: a request_uri used twice leads nobody anywhere', 'kept', async () => {
  const request_uri = await pushed(await assertion(), backend);
  const query = new URLSearchParams({ client_id: backend.client_id, request_uri });
  expect((await agreed(backend, query)).get('code'), 'no code the first time');
  return led(query);
});

// The token endpoint. One code, bound to a key by dpop_jkt, stands all of this and is good afterwards.

const held = await proof().calculateThumbprint();
let answer = await agreed(app, request(app, { dpop_jkt: held }));
const exchange = (options = {}) =>
  oauth.authorizationCodeGrantRequest(as, options.client ?? app, options.auth ?? none, options.answer ?? answer, options.uri ?? redirectURI, options.verifier ?? verifier, {
    ...insecure, DPoP: options.DPoP, additionalParameters: options.more,
  });
const codeRow = (what, codes, options) => refuses(`code: ${what}`, codes, () => {
  const DPoP = options.bare ? undefined : (options.DPoP ?? proof());
  return errorOf(() => exchange({ ...options, DPoP }));
});

await codeRow('with another verifier', 'invalid_grant', { verifier: oauth.generateRandomCodeVerifier() });
await codeRow('without a verifier', ['invalid_request', 'invalid_grant'], { verifier: oauth.nopkce });
await codeRow('with another redirect_uri', 'invalid_grant', { uri: redirectURI.replace('callback', 'other') });
await refuses('code: from another client', 'invalid_grant', async () => {
  const DPoP = proof();
  return errorOf(async () => exchange({ client: other, auth: await assertion(undefined, other), DPoP }));
});
await codeRow('without a proof, though it is bound to a key', ['invalid_grant', 'invalid_dpop_proof', 'invalid_request'], { bare: true });
await codeRow('with a proof of another key', ['invalid_grant', 'invalid_dpop_proof'], { DPoP: proof(undefined, thief) });

const proofRow = (what, edit) => codeRow(`a DPoP proof ${what}`, 'invalid_dpop_proof', { DPoP: proof(edit) });
await proofRow('for another address', (body) => (body.htu = as.userinfo_endpoint));
await proofRow('for another method', (body) => (body.htm = 'GET'));
await proofRow('that is ten minutes old', (body) => (body.iat -= 600));
await proofRow('from the future', (body) => (body.iat += 600));
await proofRow('without an id', (body) => delete body.jti);
await proofRow('without a time', (body) => delete body.iat);
await proofRow('of another type', (body, head) => (head.typ = 'JWT'));
await proofRow('that shows another key than it is signed with', (body, head) => (head.jwk = foreign));
await codeRow('a DPoP proof with RS256', 'invalid_dpop_proof', { DPoP: proof(undefined, rsa) });

const tokens = await holds('code: none of that has used it up', async () => {
  if (plan.burns) answer = await agreed(app, request(app, { dpop_jkt: held }));
  const DPoP = proof();
  const tokens = await good(() => exchange({ DPoP }), (r) => oauth.processAuthorizationCodeResponse(as, app, r, { requireIdToken: true }));
  expect(tokens.token_type === 'dpop' && tokens.refresh_token, JSON.stringify(tokens));
  return tokens;
});

// The resource, by its own error codes (RFC 6750, RFC 9449 §7).

const user = (DPoP, token = tokens.access_token) => oauth.userInfoRequest(as, app, token, { ...insecure, DPoP });
const userRow = (what, codes, edit, pair) => refuses(`userinfo: ${what}`, codes, () => {
  const DPoP = proof(edit, pair);
  return errorOf(() => user(DPoP));
});
const { sub } = oauth.getValidatedIdTokenClaims(tokens);
await holds('userinfo: with the right proof', () => {
  const DPoP = proof();
  return good(() => user(DPoP), (r) => oauth.processUserInfoResponse(as, app, sub, r));
});
await userRow('a proof for another token', 'invalid_dpop_proof', (body) => (body.ath = challenge));
await userRow('a proof for no token', 'invalid_dpop_proof', (body) => delete body.ath);
await userRow('a proof for another address', 'invalid_dpop_proof', (body) => (body.htu = as.token_endpoint));
await userRow('a proof for another method', 'invalid_dpop_proof', (body) => (body.htm = 'POST'));
await userRow('a proof of another key', ['invalid_token', 'invalid_dpop_proof'], undefined, thief);
await refuses('userinfo: a proof used twice', ['invalid_dpop_proof', 'invalid_token'], async () => {
  let sent;
  const DPoP = proof((body) => {
    if (body.nonce) body.jti = sent ??= body.jti; // from the first one with a nonce on, they are the same
  });
  expect((await errorOf(() => user(DPoP))) === 'nothing', 'refused the first time');
  return errorOf(() => user(DPoP));
});
await refuses('userinfo: the token without its key', 'invalid_token', () => errorOf(() => user(undefined)));
await refuses('userinfo: the refresh token', 'invalid_token', () => {
  const DPoP = proof();
  return errorOf(() => user(DPoP, tokens.refresh_token));
});

// Refresh.

const refresh = (options = {}) => oauth.refreshTokenGrantRequest(as, options.client ?? app, options.auth ?? none, options.token ?? tokens.refresh_token, {
  ...insecure, DPoP: options.DPoP, additionalParameters: options.more,
});
await refuses('refresh: with another key', ['invalid_grant', 'invalid_dpop_proof'], () => {
  const DPoP = proof(undefined, thief);
  return errorOf(() => refresh({ DPoP }));
});
await refuses('refresh: without a proof', ['invalid_grant', 'invalid_dpop_proof', 'invalid_request'], () => errorOf(() => refresh()));
await refuses('refresh: from another client', 'invalid_grant', async () => {
  const DPoP = proof();
  return errorOf(async () => refresh({ client: other, auth: await assertion(undefined, other), DPoP }));
});
await refuses('refresh: for more than was given', 'invalid_scope', () => {
  const DPoP = proof();
  return errorOf(() => refresh({ DPoP, more: { scope: `${plan.scope} trade` } }));
});
await refuses('refresh: an access token in its place', 'invalid_grant', () => {
  const DPoP = proof();
  return errorOf(() => refresh({ DPoP, token: tokens.access_token }));
});
const renewed = await holds('refresh: none of that has ended it', () => {
  const DPoP = proof();
  return good(() => refresh({ DPoP }), (r) => oauth.processRefreshTokenResponse(as, app, r));
});

// Other ways in.

const grant = (type, body) => errorOf(() => oauth.genericTokenEndpointRequest(as, app, none, type, new URLSearchParams(body), insecure));
await refuses('grant: a password', 'unsupported_grant_type', () => grant('password', { username: 'mina', password: 'x' }));
await refuses('grant: a public client for itself', 'unauthorized_client', () => grant('client_credentials', { scope: 'read' }));
await refuses('token: a parameter twice', 'invalid_request', () => grant('authorization_code', [['code', 'a'], ['code', 'b'], ['redirect_uri', redirectURI]]));
await refuses('introspection: by a public client', ['invalid_client', 'unauthorized_client', 'access_denied'], () =>
  errorOf(() => oauth.introspectionRequest(as, app, none, tokens.access_token, insecure)));
await refuses('introspection: another client learns nothing', 'inactive', async () => {
  const response = await oauth.introspectionRequest(as, other, await assertion(undefined, other), renewed.access_token, insecure);
  const about = await oauth.processIntrospectionResponse(as, other, response);
  return about.active || Object.keys(about).length > 1 ? 'told' : 'inactive';
});
await holds('revocation: of another client’s token ends nothing, whether that is an error or not', async () => {
  await errorOf(async () => oauth.revocationRequest(as, other, await assertion(undefined, other), renewed.access_token, insecure));
  const DPoP = proof();
  await good(() => user(DPoP, renewed.access_token), (r) => oauth.processUserInfoResponse(as, app, sub, r));
});

// A code that comes a second time ends what the first use gave (RFC 9700 §4.5).

await refuses('code: used twice', 'invalid_grant', () => {
  const DPoP = proof();
  return errorOf(() => exchange({ DPoP }));
});
await refuses('code: and what its first use gave is over', 'invalid_token', () => {
  const DPoP = proof();
  return errorOf(() => user(DPoP, renewed.access_token));
});
await refuses('code: the refresh token as well', 'invalid_grant', () => {
  const DPoP = proof();
  return errorOf(() => refresh({ DPoP, token: renewed.refresh_token ?? tokens.refresh_token }));
});
