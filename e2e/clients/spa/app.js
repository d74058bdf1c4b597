// A single-page app as the documentation of oidc-client-ts shows it: no back end, keys for DPoP that never leave the browser. What it
// has to say stands in <output>, for whoever looks.

const { IndexedDbDPoPStore, UserManager, WebStorageStateStore } = globalThis.oidc;
const plan = await (await fetch('/plan.json')).json();
const store = new IndexedDbDPoPStore();
const manager = new UserManager({
  authority: plan.issuer, client_id: plan.client_id, redirect_uri: `${location.origin}/`, scope: plan.scope, prompt: 'consent',
  revokeTokenAdditionalContentTypes: ['text/plain'], // an empty one, at oidc-provider
  automaticSilentRenew: false, monitorSession: false, validateSubOnSilentRenew: true,
  dpop: { store, bind_authorization_code: true },
  userStore: new WebStorageStateStore({ store: window.sessionStorage }),
});

const output = document.querySelector('#said');
let turns = 0;
function say(what) {
  output.textContent = JSON.stringify({ turn: ++turns, ...what });
}

/** Calls the server as any API that wants a proof: with the nonce that its refusal brings. */
async function userInfo(user) {
  const url = await manager.metadataService.getUserInfoEndpoint();
  const ask = async (nonce) =>
    fetch(url, { headers: { Authorization: `DPoP ${user.access_token}`, DPoP: await manager.dpopProof(url, user, 'GET', nonce ?? undefined) } });
  let response = await ask((await store.get(plan.client_id))?.nonce);
  if (response.status === 401 && response.headers.get('DPoP-Nonce')) response = await ask(response.headers.get('DPoP-Nonce'));
  return { status: response.status, ...(await response.json()) };
}

let held;
const acts = {
  signin: () => manager.signinRedirect(),
  userinfo: async () => say({ userinfo: await userInfo(await manager.getUser()) }),
  refresh: async () => {
    const before = await manager.getUser();
    const after = await manager.signinSilent();
    say({ renewed: after.access_token !== before.access_token, sub: after.profile.sub });
  },
  signout: async () => {
    held = await manager.getUser();
    await manager.revokeTokens();
    say({ signedOut: true });
  },
  // What a thief would try with what was in the page.
  again: async () => {
    const refresh = await manager._client.useRefreshToken({ state: { ...held, refresh_token: held.refresh_token } }).then(() => 'renewed', (error) => error.error ?? String(error));
    say({ refresh, userinfo: (await userInfo(held)).error });
  },
};
for (const [name, act] of Object.entries(acts)) {
  globalThis[name] = () => act().catch((error) => say({ failed: `${name}: ${error.stack ?? error}` }));
  document.querySelector(`#${name}`)?.addEventListener('click', globalThis[name]);
}

if (new URLSearchParams(location.search).has('state')) {
  try {
    const user = await manager.signinCallback();
    history.replaceState(null, '', '/');
    const { keys } = await store.get(plan.client_id);
    say({ signedIn: user.profile.sub, type: user.token_type, refresh: Boolean(user.refresh_token), extractable: keys.privateKey.extractable });
  } catch (error) {
    say({ failed: `callback: ${error.stack ?? error}` });
  }
} else {
  say({ ready: true });
}
