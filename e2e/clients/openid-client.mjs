// A back end with everything that FAPI 2.0 wants of one, written as its author's documentation says: pushed request, PKCE, DPoP with
// the server's nonce, private_key_jwt; then refresh, introspection and revocation.

import * as client from 'openid-client';
import { calculateJwkThumbprint, decodeJwt, exportJWK } from 'jose';
import { expect, holds, plan, privateKey, redirectURI, visit } from './flow.mjs';

const { client_id, jwk } = plan.clients.backend;

const config = await holds('discovery: the document is that of the issuer', async () =>
  client.discovery(new URL(plan.issuer), client_id, { id_token_signed_response_alg: 'ES256' }, client.PrivateKeyJwt(await privateKey(jwk)), {
    // The ID token's signature is checked too, although it came from the token endpoint itself.
    execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks],
  }),
);

let nonces = 0;
config[client.customFetch] = async (...request) => {
  const response = await fetch(...request);
  if (!response.ok && (await response.clone().text()).includes('use_dpop_nonce')) nonces++;
  return response;
};

const keys = await client.randomDPoPKeyPair('ES256');
const DPoP = client.getDPoPHandle(config, keys);
const jkt = await calculateJwkThumbprint(await exportJWK(keys.publicKey));
const verifier = client.randomPKCECodeVerifier();
const state = client.randomState();
const nonce = client.randomNonce();

const url = await holds('PAR: the request is pushed, and its address names it alone', async () => {
  const url = await client.buildAuthorizationUrlWithPAR(config, {
    redirect_uri: redirectURI, scope: plan.scope, prompt: 'consent', state, nonce,
    code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  }, { DPoP });
  expect([...url.searchParams.keys()].sort().join() === 'client_id,request_uri', url.href);
  return url;
});

const back = await visit(url);

const tokens = await holds('code: exchanged with state, iss, PKCE and DPoP checked, and the ID token with its nonce and signature', async () => {
  const tokens = await client.authorizationCodeGrant(config, back, {
    pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true,
  }, undefined, { DPoP });
  expect(tokens.token_type === 'dpop', tokens.token_type);
  expect(tokens.refresh_token, 'no refresh token');
  expect(back.searchParams.get('iss') === plan.issuer, 'iss is missing');
  return tokens;
});

await holds('nonce: the server asked for one and the client made its proof again', async () => expect(nonces > 0, 'no nonce was asked for'));

const { sub } = tokens.claims();
await holds('userinfo: the same person, and a mail address only where it was confirmed', async () => {
  const user = await client.fetchUserInfo(config, tokens.access_token, sub, { DPoP });
  expect(Boolean(user.email) === plan.mailConfirmed, JSON.stringify(user));
});

await holds('introspection: the token is active, bound to this key, this client’s', async () => {
  const about = await client.tokenIntrospection(config, tokens.access_token);
  expect(about.active && about.cnf.jkt === jkt && about.client_id === client_id && about.sub === sub && about.iss === plan.issuer, JSON.stringify(about));
});

if (plan.jwtAccessTokens) {
  await holds('access token: it says the same by itself', async () => {
    const claims = decodeJwt(tokens.access_token);
    expect(claims.cnf.jkt === jkt && claims.client_id === client_id && claims.sub === sub && claims.iss === plan.issuer, JSON.stringify(claims));
  });
}

const renewed = await holds('refresh: a new access token for the same person and key', async () => {
  const renewed = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP });
  expect(renewed.access_token !== tokens.access_token && renewed.token_type === 'dpop', 'nothing new');
  await client.fetchUserInfo(config, renewed.access_token, sub, { DPoP });
  return { ...tokens, ...renewed };
});

await holds('revocation: the grant is over, for the access token as well', async () => {
  await client.tokenRevocation(config, renewed.refresh_token);
  const about = await client.tokenIntrospection(config, renewed.access_token);
  expect(about.active === false && Object.keys(about).length === 1, JSON.stringify(about));
});

const code = (promise) => promise.then(() => 'nothing', (e) => e.error ?? e.cause?.[0]?.parameters?.error ?? String(e));
await holds('after it: refresh is refused, and so is userinfo', async () => {
  const refresh = await code(client.refreshTokenGrant(config, renewed.refresh_token, undefined, { DPoP }));
  const user = await code(client.fetchUserInfo(config, renewed.access_token, sub, { DPoP }));
  expect(refresh === 'invalid_grant' && user === 'invalid_token', `${refresh}, ${user}`);
});
